// SPDX-License-Identifier: BSD-3-Clause
#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;

/// A task that calls a function.
class Step {
public:
    explicit Step(std::function<void()> action)
        : task(base::Delegate<>::to<&Step::run>(*this))
        , action_(std::move(action)) {}
    base::Task task;

    void run() noexcept { action_(); }

private:
    std::function<void()> action_;
};

/// A timer that calls a function.
class Alarm {
public:
    Alarm(base::Scheduler &scheduler, std::function<void()> action)
        : timer(scheduler, base::Delegate<>::to<&Alarm::run>(*this))
        , action_(std::move(action)) {}
    base::Timer timer;

    void run() noexcept { action_(); }

private:
    std::function<void()> action_;
};

} // namespace

TEST_CASE("tasks run in the order they were posted, after the present step") {
    io::Worker worker;
    std::string order;
    Step second([&order] { order += "b"; });
    Step third([&order, &worker] {
        order += "c";
        worker.stop();
    });
    Step first([&order, &worker, &third] {
        worker.post(third.task);
        order += "a";
    });
    worker.post(first.task);
    worker.post(second.task);
    worker.run();
    CHECK(order == "abc");
}

TEST_CASE("a task posted twice runs once; posted while it runs, once more") {
    io::Worker worker;
    int runs = 0;
    Step *self = nullptr;
    Step task([&runs, &worker, &self] {
        if (++runs == 1)
            worker.post(self->task);
        else
            worker.stop();
    });
    self = &task;
    worker.post(task.task);
    worker.post(task.task);
    worker.run();
    CHECK(runs == 2);
}

TEST_CASE("a withdrawn task does not run") {
    io::Worker worker;
    bool ran = false;
    Step withdrawn([&ran] { ran = true; });
    Step end([&worker] { worker.stop(); });
    worker.post(withdrawn.task);
    worker.post(end.task);
    withdrawn.task.withdraw();
    worker.run();
    CHECK_FALSE(ran);
}

TEST_CASE("an end-of-turn hook runs once, after the tasks of the turn") {
    io::Worker worker;
    std::string order;
    Step hook([&order, &worker] {
        order += "h";
        worker.stop();
    });
    Step later([&order] { order += "2"; });
    Step first([&order, &worker, &hook, &later] {
        worker.at_end_of_turn(hook.task);
        worker.at_end_of_turn(hook.task);
        worker.post(later.task);
        order += "1";
    });
    worker.post(first.task);
    worker.run();
    CHECK(order == "12h");
}

TEST_CASE("a task that posts itself for ever does not keep others from stopping the loop") {
    io::Worker worker;
    int rounds = 0;
    Step *self = nullptr;
    Step forever([&rounds, &worker, &self] {
        if (++rounds == 1000)
            worker.stop();
        worker.post(self->task);
    });
    self = &forever;
    worker.post(forever.task);
    worker.run();
    CHECK(rounds >= 1000);
    forever.task.withdraw();
}

TEST_CASE("timers fire in the order of their deadlines, a cancelled one never") {
    io::Worker worker;
    std::string order;
    Alarm late(worker, [&order, &worker] {
        order += "l";
        worker.stop();
    });
    Alarm early(worker, [&order] { order += "e"; });
    Alarm cancelled(worker, [&order] { order += "x"; });
    late.timer.start_in(8ms);
    cancelled.timer.start_in(3ms);
    early.timer.start_in(2ms);
    cancelled.timer.cancel();
    worker.run();
    CHECK(order == "el");
}

TEST_CASE("a timer that the first handler after a long wait starts runs its whole time") {
    io::Worker worker;
    base::TimePoint started{};
    base::TimePoint fired{};
    Alarm alarm(worker, [&fired, &worker] {
        fired = base::Clock::now();
        worker.stop();
    });
    std::thread other([&worker, &alarm, &started] {
        std::this_thread::sleep_for(60ms); // the loop is idle meanwhile, its time stands still
        worker.post_from_anywhere([&alarm, &started] {
            started = base::Clock::now();
            alarm.timer.start_in(40ms);
        });
    });
    worker.run();
    other.join();
    CHECK(fired - started >= 39ms);
}

TEST_CASE("an earlier timer started later wakes the loop in time") {
    io::Worker worker;
    Alarm late(worker, [] {});
    bool fired = false;
    Alarm early(worker, [&fired, &worker] {
        fired = true;
        worker.stop();
    });
    late.timer.start_in(1h);
    worker.post_from_anywhere([&early] { early.timer.start_in(1ms); });
    worker.run();
    CHECK(fired);
}

TEST_CASE("a step from another thread runs on the worker") {
    io::Worker worker;
    std::thread::id ran_on;
    std::thread other([&worker, &ran_on] {
        worker.post_from_anywhere([&worker, &ran_on] {
            ran_on = std::this_thread::get_id();
            worker.stop();
        });
    });
    worker.run();
    other.join();
    CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("run_and_wait returns after the step and passes its exception on") {
    io::Worker worker;
    std::thread loop([&worker] { worker.run(); });
    int value = 0;
    worker.run_and_wait([&value] { value = 7; });
    CHECK(value == 7);
    CHECK_THROWS_AS(worker.run_and_wait([] { throw std::runtime_error("no"); }), std::runtime_error);
    worker.stop();
    loop.join();
}

TEST_CASE("a worker that was stopped runs again") {
    io::Worker worker;
    int runs = 0;
    Step step([&runs, &worker] {
        ++runs;
        worker.stop();
    });
    worker.post(step.task);
    worker.run();
    worker.at_end_of_turn(step.task);
    worker.run();
    CHECK(runs == 2);
}
