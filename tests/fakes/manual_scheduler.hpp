// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/timer_queue.hpp"

#include <algorithm>

namespace fakes {

/// A scheduler turned by hand: time stands still until advance(), tasks run in run().
class ManualScheduler final : public base::Scheduler {
public:
    void post(base::Task &task) noexcept override {
        if (!task.pending())
            tasks_.push_back(task);
    }
    void at_end_of_turn(base::Task &task) noexcept override {
        if (!task.pending())
            hooks_.push_back(task);
    }
    [[nodiscard]] base::TimePoint now() const noexcept override { return now_; }

    /// Runs tasks and end-of-turn hooks until none is left; false when that did not happen in `limit` tasks.
    bool run(int limit = 100000) {
        for (; limit > 0; --limit) {
            if (!tasks_.empty())
                tasks_.pop_front().run();
            else if (!hooks_.empty())
                hooks_.pop_front().run();
            else
                return true;
        }
        return false;
    }
    /// Lets time pass, firing every timer on its way at its own time.
    void advance(base::Duration by) {
        const base::TimePoint end = now_ + by;
        run();
        while (advance_to_timer(end))
            run();
    }
    /// Lets time pass to the next timer and fires it, without the tasks that come of it; false: there is none
    /// until `end`, which it is now.
    bool advance_to_timer(base::TimePoint end) {
        const bool any = !timers_.empty() && timers_.next() <= end;
        now_ = any ? std::max(now_, timers_.next()) : end; // one may have been due before
        if (any)
            timers_.fire_due(now_);
        return any;
    }
    [[nodiscard]] bool idle() const noexcept { return timers_.empty(); }

private:
    void start(base::Timer &timer) override { timers_.add(timer); }
    void cancel(base::Timer &timer) noexcept override { timers_.remove(timer); }

    base::TimePoint now_{std::chrono::hours(1)};
    base::List<base::Task> tasks_;
    base::List<base::Task> hooks_;
    base::TimerQueue timers_;
};

} // namespace fakes
