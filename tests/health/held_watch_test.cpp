// SPDX-License-Identifier: BSD-3-Clause
// Nothing waits unseen (design D8).
#include "fakes/fake_backend.hpp"
#include "fakes/manual_scheduler.hpp"
#include "health/held_watch.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace {

using Lines = std::vector<std::string>;

/// A map of one path that is lost, with queueing, and its log.
struct Watched final : multipath::DeviceSet, multipath::Observer, block::Layer {
    Watched() {
        device.open(nobody);
        device.come_up();
        map.load("1 queue_if_no_path 0 1 1 round-robin 0 1 0 A");
        map.start();
        map.path_lost(device);
    }
    ~Watched() {
        map.shut_down();
        scheduler.run();
    }
    multipath::PathDevice find(std::string_view) override { return {&device}; }
    void event(const multipath::Event &) noexcept override {}
    void warning(std::string_view) noexcept override {}
    void request_waits() noexcept override { watch.begin(); }
    void completed(block::Request &, block::Status) noexcept override { ++completions; }
    void tell(std::string_view text, bool bad) noexcept {
        lines.push_back((bad ? "bad: " : "good: ") + std::string(text));
    }
    void ended(int) noexcept {}
    void submit(int count) {
        for (; count > 0; --count) {
            block::Request &request = *requests.emplace_back(std::make_unique<block::Request>());
            request.length = 4096;
            request.push(*this);
            map.submit(request);
        }
        scheduler.run();
    }
    void path_returns() {
        map.path_answers(device);
        scheduler.run();
    }

    struct Nobody final : backend::Observer {
        void path_up(backend::Backend &) noexcept override {}
        void path_down(backend::Backend &, std::string_view) noexcept override {}
    } nobody;
    fakes::ManualScheduler scheduler;
    fakes::FakeBackend device{scheduler};
    multipath::Map map{scheduler, "m", {}, *this, *this};
    health::HeldWatch watch{scheduler, map, health::HeldWatch::Tell::to<&Watched::tell>(*this)};
    std::vector<std::unique_ptr<block::Request>> requests;
    int completions = 0;
    Lines lines;
};

} // namespace

TEST_CASE("requests that wait are told of after a second, every half minute, and when none waits any more") {
    Watched watched;
    CHECK(watched.scheduler.idle());
    watched.submit(2);
    watched.scheduler.advance(999ms);
    CHECK(watched.lines.empty());
    watched.scheduler.advance(1ms);
    CHECK(watched.lines == Lines{"bad: requests wait, the oldest for 1 s: 2 for a path, there is none"});
    watched.submit(1);
    watched.scheduler.advance(29s);
    CHECK(watched.lines.size() == 1);
    watched.scheduler.advance(1s);
    REQUIRE(watched.lines.size() == 2);
    CHECK(watched.lines[1] == "bad: requests still wait, the oldest for 31 s: 3 for a path, there is none");
    watched.path_returns();
    watched.scheduler.advance(1s);
    REQUIRE(watched.lines.size() == 3);
    CHECK(watched.lines[2] == "good: no request waits any more");
    CHECK(watched.scheduler.idle());
}

TEST_CASE("requests that wait no longer than a failover takes are not told of") {
    Watched watched;
    watched.submit(2);
    watched.scheduler.advance(500ms);
    watched.path_returns();
    watched.scheduler.advance(10s);
    CHECK(watched.lines.empty());
    CHECK(watched.scheduler.idle());
}

TEST_CASE("what requests wait for is told") {
    Watched watched;
    multipath::Ticket ticket{base::Delegate<int>::to<&Watched::ended>(watched)};
    watched.path_returns();
    watched.map.suspend(ticket, false);
    watched.scheduler.run();
    watched.submit(1);
    watched.scheduler.advance(1s);
    CHECK(watched.lines == Lines{"bad: requests wait, the oldest for 1 s: 1 for resume"});
}
