// SPDX-License-Identifier: BSD-3-Clause
#include "command/command.hpp"
#include "fakes/fake_maps.hpp"

#include <doctest/doctest.h>

namespace {

using Lines = std::vector<std::string>;

struct Console final : command::Reply {
    Console() { maps.add("mpatha"); }
    void line(std::string_view text) override { lines.emplace_back(text); }
    void finished() override {}
    void hang_up() override {}

    Lines ask(std::vector<std::string> words) {
        lines.clear();
        command::run(std::make_shared<command::Call>(std::move(words), "test", *this), maps);
        return lines;
    }

    fakes::FakeMaps maps;
    Lines lines;
};

} // namespace

TEST_CASE("inject gives the words of a rule to the map, lists rules, and removes them with off") {
    Console console;
    CHECK(console.ask({"inject", "mpatha", "a1", "error=EIO", "op=write"}) == Lines{"OK"});
    CHECK(console.ask({"inject", "mpatha", "a1"}) == Lines{"a1 error=EIO op=write", "OK"});
    CHECK(console.ask({"inject", "mpatha", "a1", "off"}) == Lines{"OK"});
    CHECK(console.ask({"inject", "mpatha", "a1"}) == Lines{"OK"});
}

TEST_CASE("inject: an unknown map is ENXIO, a refusal is the path's") {
    Console console;
    CHECK(console.ask({"inject", "mpathx", "a1", "hang"})[0].find("ERR ENXIO there is no map 'mpathx'") == 0);
    CHECK(console.ask({"inject", "mpatha", "a1", "refuse"}) == Lines{"ERR EINVAL unknown word 'refuse'"});
    CHECK(console.ask({"inject", "mpatha"}) == Lines{"ERR EINVAL usage: inject MAP PATH [SPEC|off]"});
}
