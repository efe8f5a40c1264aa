// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "command/maps.hpp"

#include <coroutine>
#include <memory>

namespace nbdmpathd {

/// A suspend or resume of the map, to be awaited; gives its error.
class GateWait {
public:
    explicit GateWait(base::Scheduler &scheduler)
        : scheduler_(scheduler) {}
    void suspend(command::MapAccess &home) {
        activity_ = home.suspend(true, [this](const command::Outcome &outcome) { ended(outcome); });
    }
    void resume(command::MapAccess &home) {
        activity_ = home.resume(true, [this](const command::Outcome &outcome) { ended(outcome); });
    }
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) noexcept {
        awaiting_ = awaiting;
        if (ended_)
            scheduler_.post(go_on_);
    }
    int await_resume() noexcept { return error_; }

private:
    void ended(const command::Outcome &outcome) {
        error_ = outcome.error;
        ended_ = true;
        if (awaiting_)
            scheduler_.post(go_on_); // not now: the activity is on the stack
    }
    void go_on() noexcept { awaiting_.resume(); }

    base::Scheduler &scheduler_;
    std::unique_ptr<command::Activity> activity_;
    std::coroutine_handle<> awaiting_;
    bool ended_ = false;
    int error_ = 0;
    base::Task go_on_{base::Delegate<>::to<&GateWait::go_on>(*this)};
};

} // namespace nbdmpathd
