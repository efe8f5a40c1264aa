// SPDX-License-Identifier: BSD-3-Clause
#include "io/side_thread.hpp"

#include "base/error.hpp"
#include "fakes/no_threads.hpp"
#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <optional>
#include <thread>

namespace {

using namespace std::chrono_literals;

constexpr auto long_time = 60s;

/// Runs what was posted up to now.
void run_what_is_there(io::Worker &worker) {
    worker.post_from_anywhere([&worker] { worker.stop(); });
    worker.run();
}

void until_unwanted(const std::atomic<bool> &wanted) {
    while (wanted)
        std::this_thread::sleep_for(1ms);
}

/// Takes its time to go, and notes when it is gone. Nothing is atomic here: who looks has waited.
struct Slow {
    explicit Slow(bool &note)
        : gone(note) {}
    Slow(const Slow &) = delete;
    Slow &operator=(const Slow &) = delete;
    ~Slow() {
        std::this_thread::sleep_for(20ms);
        gone = true;
    }
    bool &gone;
};

} // namespace

TEST_CASE("the work is done in another thread, and its end is told on the loop") {
    io::Worker worker;
    io::SideThread side(worker);
    std::thread::id worked;
    std::thread::id told;
    side.start([&worked](const auto &) { worked = std::this_thread::get_id(); },
               [&told, &worker] {
                   told = std::this_thread::get_id();
                   worker.stop();
               });
    CHECK(side.running());
    worker.run();
    CHECK_FALSE(side.running());
    CHECK(told == std::this_thread::get_id());
    CHECK(worked != std::thread::id());
    CHECK(worked != told);
}

TEST_CASE("what the work owned is gone, or the other owner's alone, when its end is told") {
    io::Worker worker;
    io::SideThread side(worker);
    bool gone = false;
    auto slow = std::make_shared<Slow>(gone);
    const auto result = std::make_shared<int>(0);
    bool told = false;
    side.start([slow = std::move(slow), result](const auto &) { *result = 5; },
               [&gone, &result, &told, &worker] {
                   told = gone && result.use_count() == 1 && *result == 5;
                   worker.stop();
               });
    worker.run();
    CHECK(told);
}

TEST_CASE("an owner may start the next work, or be destroyed, when it is told") {
    io::Worker worker;
    std::optional<io::SideThread> side;
    side.emplace(worker);
    int ends = 0;
    const std::function<void()> next = [&ends, &next, &side, &worker] {
        if (++ends < 100) {
            side->start([](const auto &) {}, next);
            return;
        }
        side.reset();
        worker.stop();
    };
    side->start([](const auto &) {}, next);
    worker.run();
    CHECK(ends == 100);
}

TEST_CASE("who has abandoned the work is not told, and the work can know") {
    io::Worker worker;
    io::SideThread side(worker);
    bool told = false;
    side.start(until_unwanted, [&told] { told = true; });
    side.abandon();
    CHECK_FALSE(side.running());
    REQUIRE(io::SideThread::wait_for_all(long_time));
    run_what_is_there(worker);
    CHECK_FALSE(told);
}

TEST_CASE("who abandons the work after its end and before he is told is not told") {
    io::Worker worker;
    io::SideThread side(worker);
    bool told = false;
    side.start([](const auto &) {}, [&told] { told = true; });
    REQUIRE(io::SideThread::wait_for_all(long_time));
    CHECK(side.running());
    side.abandon();
    run_what_is_there(worker);
    CHECK_FALSE(told);
}

TEST_CASE("other work can be started while what was abandoned has not ended") {
    io::Worker worker;
    io::SideThread side(worker);
    std::promise<void> gate;
    bool first = false;
    side.start([end = gate.get_future().share()](const auto &) { end.wait(); }, [&first] { first = true; });
    side.abandon();
    side.start([](const auto &) {}, [&worker] { worker.stop(); });
    worker.run();
    CHECK_FALSE(io::SideThread::wait_for_all(0s));
    gate.set_value();
    REQUIRE(io::SideThread::wait_for_all(long_time));
    run_what_is_there(worker);
    CHECK_FALSE(first);
}

TEST_CASE("the work may outlive its owner and the worker") {
    bool gone = false;
    std::promise<void> gate;
    {
        io::Worker worker;
        io::SideThread side(worker);
        auto slow = std::make_shared<Slow>(gone);
        side.start([slow = std::move(slow), end = gate.get_future().share()](const auto &) { end.wait(); },
                   [] { CHECK(false); });
    }
    CHECK_FALSE(io::SideThread::wait_for_all(10ms));
    CHECK_FALSE(gone);
    gate.set_value();
    REQUIRE(io::SideThread::wait_for_all(long_time));
    CHECK(gone);
}

TEST_CASE("who waits for all waits also for what each thread leaves last") {
    io::Worker worker;
    bool gone[8] = {};
    for (bool &note : gone) {
        io::SideThread side(worker);
        side.start([&note](const auto &) { thread_local const Slow local(note); }, [] { CHECK(false); });
    }
    REQUIRE(io::SideThread::wait_for_all(long_time));
    for (const bool note : gone)
        CHECK(note);
}

TEST_CASE("where no thread can be had nothing is running and nothing is told") {
    io::Worker worker;
    io::SideThread side(worker);
    bool gone = false;
    {
        const fakes::NoThreads none;
        auto slow = std::make_shared<Slow>(gone);
        try {
            side.start([slow = std::move(slow)](const auto &) {}, [] { CHECK(false); });
            CHECK(false);
        } catch (const base::Error &error) {
            CHECK(error.code() == EAGAIN);
            CHECK(std::string(error.what()) == "cannot start a thread: Resource temporarily unavailable");
        }
    }
    CHECK(gone);
    CHECK_FALSE(side.running());
    CHECK(io::SideThread::wait_for_all(0s));
    side.start([](const auto &) {}, [&worker] { worker.stop(); });
    worker.run();
}
