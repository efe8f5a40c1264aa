// SPDX-License-Identifier: BSD-3-Clause
#include "base/timer_queue.hpp"

#include "fakes/manual_scheduler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace std::chrono_literals;

/// A timer that notes its number when it fires.
struct Noting {
    Noting(base::Scheduler &scheduler, std::vector<int> &notes, int id)
        : timer(scheduler, base::Delegate<>::to<&Noting::fired>(*this))
        , fired_ids(notes)
        , number(id) {}
    void fired() noexcept { fired_ids.push_back(number); }

    base::Timer timer;
    std::vector<int> &fired_ids;
    int number;
};

} // namespace

TEST_CASE("timers fire by deadline, whatever order they were started in") {
    fakes::ManualScheduler scheduler;
    std::vector<int> fired;
    Noting one(scheduler, fired, 1);
    Noting two(scheduler, fired, 2);
    Noting three(scheduler, fired, 3);
    two.timer.start_in(2s);
    three.timer.start_in(3s);
    one.timer.start_in(1s);
    scheduler.advance(10s);
    CHECK(fired == std::vector{1, 2, 3});
    CHECK(scheduler.idle());
}

TEST_CASE("a timer does not fire before its deadline") {
    fakes::ManualScheduler scheduler;
    std::vector<int> fired;
    Noting one(scheduler, fired, 1);
    one.timer.start_in(1s);
    scheduler.advance(999ms);
    CHECK(fired.empty());
    CHECK(one.timer.active());
    scheduler.advance(1ms);
    CHECK(fired == std::vector{1});
    CHECK_FALSE(one.timer.active());
}

TEST_CASE("starting an active timer again moves it") {
    fakes::ManualScheduler scheduler;
    std::vector<int> fired;
    Noting one(scheduler, fired, 1);
    one.timer.start_in(1s);
    one.timer.start_in(5s);
    scheduler.advance(4s);
    CHECK(fired.empty());
    scheduler.advance(1s);
    CHECK(fired == std::vector{1});
}

TEST_CASE("a timer may start itself again when it fires") {
    fakes::ManualScheduler scheduler;
    struct Periodic {
        explicit Periodic(base::Scheduler &owner)
            : timer(owner, base::Delegate<>::to<&Periodic::fired>(*this)) {}
        void fired() noexcept {
            if (++count < 3)
                timer.start_in(1s);
        }
        base::Timer timer;
        int count = 0;
    } periodic(scheduler);
    periodic.timer.start_in(1s);
    scheduler.advance(2s);
    CHECK(periodic.count == 2);
    scheduler.advance(10s);
    CHECK(periodic.count == 3);
}

TEST_CASE("an ended timer is forgotten") {
    fakes::ManualScheduler scheduler;
    std::vector<int> fired;
    {
        Noting one(scheduler, fired, 1);
        one.timer.start_in(1s);
    }
    CHECK(scheduler.idle());
    scheduler.advance(2s);
    CHECK(fired.empty());
}

TEST_CASE("many timers, started and cancelled at random, fire in order") {
    fakes::ManualScheduler scheduler;
    std::mt19937 random(7); // NOLINT: the same run every time
    std::vector<int> fired;
    std::vector<std::unique_ptr<Noting>> timers;
    for (int i = 0; i < 500; ++i) {
        const int at = static_cast<int>(random() % 1000);
        timers.push_back(std::make_unique<Noting>(scheduler, fired, at));
        timers.back()->timer.start_in(std::chrono::milliseconds(at));
    }
    std::size_t expected = timers.size();
    for (const auto &timer : timers)
        if (random() % 3 == 0) {
            timer->timer.cancel();
            --expected;
        }
    scheduler.advance(1s);
    CHECK(fired.size() == expected);
    CHECK(std::ranges::is_sorted(fired));
}
