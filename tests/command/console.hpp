// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/command.hpp"
#include "fakes/fake_maps.hpp"

#include <memory>
#include <string>
#include <vector>

namespace command_test {

using Lines = std::vector<std::string>;

/// A session of the admin socket: one command after the other, and what it answers.
struct Console final : command::Reply {
    ~Console() {
        if (call)
            call->cancel();
    }
    void line(std::string_view text) override { lines.emplace_back(text); }
    void finished() override {}
    void hang_up() override {}
    Lines ask(Lines words) {
        lines.clear();
        if (call)
            call->cancel();
        command::Reply &reply = *this;
        call = std::make_shared<command::Call>(std::move(words), "test", reply);
        command::run(call, maps);
        return lines;
    }

    fakes::FakeMaps maps;
    fakes::FakeMap &map = maps.add("m");
    command::CallPointer call;
    Lines lines;
};

} // namespace command_test
