// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "base/list.hpp"

#include <chrono>
#include <cstddef>

namespace base {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// Something to be done soon, once: posting it again before it ran changes nothing, posting it
/// while it runs makes it run once more (the "kick" of the semantics reference).
class Task : public ListHook {
public:
    explicit Task(Delegate<> action) noexcept
        : action_(action) {}
    ~Task() { withdraw(); }

    [[nodiscard]] bool pending() const noexcept { return linked(); }
    /// Takes the task back when it has not run yet.
    void withdraw() noexcept {
        if (linked())
            unlink();
    }
    void run() noexcept { action_(); }

private:
    Delegate<> action_;
};

class Scheduler;
class TimerQueue;

/// A one-shot alarm. Owned by the object it serves; its destructor cancels it.
class Timer {
public:
    Timer(Scheduler &scheduler, Delegate<> action) noexcept
        : scheduler_(scheduler)
        , action_(action) {}
    Timer(const Timer &) = delete;
    Timer &operator=(const Timer &) = delete;
    ~Timer() { cancel(); }

    /// (Re)starts the alarm.
    void start_at(TimePoint when);
    void start_in(Duration delay);
    void cancel() noexcept;
    [[nodiscard]] bool active() const noexcept { return index_ != inactive; }
    [[nodiscard]] TimePoint when() const noexcept { return when_; }

private:
    friend class TimerQueue;
    static constexpr std::size_t inactive = static_cast<std::size_t>(-1);
    void fire() noexcept { action_(); }

    std::size_t index_ = inactive; ///< in the queue
    TimePoint when_{};
    Scheduler &scheduler_;
    Delegate<> action_;
};

/// Time and deferred execution, given in: a worker in the daemon, a hand-turned one in tests.
/// Everything below runs on the scheduler's own thread.
class Scheduler {
public:
    Scheduler() = default;
    Scheduler(const Scheduler &) = delete;
    Scheduler &operator=(const Scheduler &) = delete;

    /// Runs the task after the present step, before the loop waits again. In order of posting.
    virtual void post(Task &task) noexcept = 0;
    /// Runs the task once at the end of the present turn: the place to submit or send what was gathered.
    virtual void at_end_of_turn(Task &task) noexcept = 0;
    /// The time at which the present turn began.
    [[nodiscard]] virtual TimePoint now() const noexcept = 0;

protected:
    ~Scheduler() = default;

private:
    friend class Timer;
    virtual void start(Timer &timer) = 0;
    virtual void cancel(Timer &timer) noexcept = 0;
};

inline void Timer::start_at(TimePoint when) {
    cancel();
    when_ = when;
    scheduler_.start(*this);
}
inline void Timer::start_in(Duration delay) { start_at(scheduler_.now() + delay); }
inline void Timer::cancel() noexcept {
    if (active())
        scheduler_.cancel(*this);
}

} // namespace base
