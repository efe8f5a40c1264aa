// SPDX-License-Identifier: BSD-3-Clause
#include "block/completion_queue.hpp"

#include "fakes/manual_scheduler.hpp"

#include <array>
#include <doctest/doctest.h>
#include <functional>
#include <vector>

namespace {

struct Rig final : block::Layer {
    void completed(block::Request &request, block::Status status) noexcept override {
        ended.emplace_back(&request, status);
        if (then)
            then(request);
    }
    block::Request &add(std::size_t index, block::Status status) {
        requests[index].push(*this);
        queue.add(requests[index], status);
        return requests[index];
    }
    fakes::ManualScheduler scheduler;
    block::CompletionQueue queue{scheduler};
    std::array<block::Request, 4> requests;
    std::vector<std::pair<block::Request *, block::Status>> ended;
    std::function<void(block::Request &)> then;
};

} // namespace

TEST_CASE("nothing ends inside add()") {
    Rig rig;
    rig.add(0, block::Status::success());
    CHECK(rig.ended.empty());
    CHECK_FALSE(rig.queue.empty());
    rig.scheduler.run();
    CHECK(rig.ended.size() == 1);
    CHECK(rig.queue.empty());
}

TEST_CASE("requests end in the order they were added") {
    Rig rig;
    for (const std::size_t index : {2U, 0U, 1U})
        rig.add(index, block::Status::success());
    rig.scheduler.run();
    REQUIRE(rig.ended.size() == 3);
    CHECK(rig.ended[0].first == &rig.requests[2]);
    CHECK(rig.ended[1].first == &rig.requests[0]);
    CHECK(rig.ended[2].first == &rig.requests[1]);
}

TEST_CASE("every outcome and error arrives as it was added") {
    Rig rig;
    for (const auto outcome : {block::Outcome::ok, block::Outcome::path, block::Outcome::path_delayed,
                               block::Outcome::retry, block::Outcome::target, block::Outcome::pass})
        for (const int error : {0, EIO, 0x7fffffff, -1}) {
            rig.add(0, {outcome, error});
            rig.scheduler.run();
            CHECK(rig.ended.back().second == block::Status{outcome, error});
        }
    const auto retry = block::Status::retry(EIO, 255, std::chrono::milliseconds(65535));
    rig.add(0, retry);
    rig.scheduler.run();
    CHECK(rig.ended.back().second == retry);
}

TEST_CASE("what is added while requests end has a step of its own") {
    Rig rig;
    rig.add(0, block::Status::success());
    rig.then = [&rig](block::Request &request) {
        if (&request != &rig.requests[0])
            return;
        rig.add(1, block::Status::target_error(EIO));
        CHECK(rig.ended.size() == 1);
    };
    rig.scheduler.run();
    CHECK(rig.ended.size() == 2);
}
