// SPDX-License-Identifier: BSD-3-Clause
// Requests that wait for a path: semantics reference 2.4, 2.5, 2.11, R33.
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace {
const multipath::MapOptions timeout_5s{.no_path_timeout = 5s};

struct Stranger final : block::Layer {
    void completed(block::Request &, block::Status given) noexcept override { status = given; }
    block::Status status{block::Outcome::retry, -1};
};
} // namespace

TEST_CASE("held requests are sent in their order") {
    Rig rig(queueing(T2));
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io_and(3);
    rig.device("P2").holding = true;
    rig.message("reinstate_path P2");
    CHECK(rig.order() == "2 2 2");
    CHECK(rig.map.held() == 0);
    CHECK(rig.map.in_flight() == 3);
}

TEST_CASE("requests in flight when the last path dies wait for the next one") {
    Rig rig(queueing(T1));
    rig.device("P1").holding = true;
    rig.io_and(3);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.map.held() == 3);
    rig.device("P1").holding = false;
    rig.message("reinstate_path P1");
    CHECK(rig.results_since(0) == "ok ok ok");
}

TEST_CASE("what fails again while the queue is sent out waits for the next run") {
    Rig rig(queueing(T2));
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io_and(2);
    rig.break_path("P2");
    rig.message("reinstate_path P2");
    CHECK(rig.map.held() == 2);
    CHECK(rig.order() == "2 2");
}

TEST_CASE("queueing switched off lets everything held fail, on again holds") {
    Rig rig(queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(2);
    rig.message("fail_if_no_path");
    CHECK(rig.results_since(0) == "EIO EIO");
    CHECK(rig.io(1) == "EIO");
    rig.message("queue_if_no_path");
    rig.io_and(1);
    CHECK(rig.map.held() == 1);
}

TEST_CASE("switching queueing off and on in one step loses nothing and fails nothing") {
    Rig rig(queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(1);
    rig.map.message(std::vector<std::string>{"fail_if_no_path"});
    rig.map.message(std::vector<std::string>{"queue_if_no_path"});
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "pending");
    rig.message("reinstate_path P1");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("the age of the oldest held request is known") {
    Rig rig(queueing(T1));
    CHECK(rig.map.held_oldest() == 0s);
    rig.message("fail_path P1");
    rig.io_and(1);
    rig.scheduler.advance(2s);
    rig.io_and(1);
    rig.scheduler.advance(1s);
    CHECK(rig.map.held_oldest() == 3s);
}

TEST_CASE("held requests of one requester can be dropped") {
    Rig rig(queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(2);
    Stranger stranger;
    block::Request request;
    request.length = 4096;
    request.push(stranger);
    rig.map.submit(request);
    rig.map.drop_held(stranger);
    CHECK(rig.map.held() == 2);
    rig.scheduler.run();
    CHECK(stranger.status.error == ESHUTDOWN);
    rig.message("reinstate_path P1");
    CHECK(rig.results_since(0) == "ok ok");
}

TEST_CASE("requests that wait after a shortage can be dropped") {
    Rig rig(queueing(T1));
    rig.device("P1").answer = {block::Outcome::path_delayed, ENOMEM};
    Stranger stranger;
    block::Request request;
    request.length = 4096;
    request.push(stranger);
    rig.map.submit(request);
    rig.scheduler.run();
    CHECK(rig.map.held() == 1);
    rig.map.drop_held(stranger);
    CHECK(rig.map.held() == 0);
    rig.scheduler.advance(1s);
    CHECK(stranger.status.error == ESHUTDOWN);
}

TEST_CASE("a map that shuts down ends what is held and what comes with ESHUTDOWN") {
    Rig rig(queueing(T2));
    rig.device("P2").answer = {block::Outcome::path_delayed, ENOMEM};
    rig.message("fail_path P1");
    rig.io_and(1); // fails P2, waits 100 ms
    rig.io_and(1); // held
    CHECK(rig.map.held() == 2);
    rig.map.shut_down();
    CHECK(rig.map.held() == 0);
    CHECK(rig.scheduler.idle());
    rig.io_and(1);
    CHECK(rig.results_since(0) == "ESHUTDOWN ESHUTDOWN ESHUTDOWN");
}

TEST_CASE("what is in flight when a map shuts down goes on to its end, a failed one to no other path") {
    Rig rig(queueing(T2));
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.map.shut_down();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "pending");
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ESHUTDOWN");
    CHECK(rig.order() == "1");
}

TEST_CASE("requests fail when no path came for the given time") {
    Rig rig(queueing(T1), timeout_5s);
    rig.message("fail_path P1");
    rig.io_and(1);
    rig.scheduler.advance(4999ms);
    CHECK(rig.results_since(0) == "pending");
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(0) == "EIO");
    CHECK(rig.told("NO_PATH_TIMEOUT") == 1);
    CHECK(rig.warnings.size() == 1);
    CHECK(rig.table() == T1);
    CHECK(rig.io(1) == "EIO");
}

TEST_CASE("queueing that ended by the timeout comes back with the first path") {
    Rig rig(queueing(T1), timeout_5s);
    rig.message("fail_path P1");
    rig.scheduler.advance(5s);
    rig.message("reinstate_path P1");
    CHECK(rig.table() == queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(1);
    CHECK(rig.map.held() == 1);
    rig.scheduler.advance(5s);
    CHECK(rig.results_since(0) == "EIO");
}

TEST_CASE("fail_if_no_path after the timeout keeps queueing off") {
    Rig rig(queueing(T1), timeout_5s);
    rig.message("fail_path P1");
    rig.scheduler.advance(5s);
    rig.message("fail_if_no_path");
    rig.message("reinstate_path P1");
    CHECK(rig.table() == T1);
}

TEST_CASE("queue_if_no_path after the timeout holds again, for the whole time") {
    Rig rig(queueing(T1), timeout_5s);
    rig.message("fail_path P1");
    rig.scheduler.advance(5s);
    rig.message("queue_if_no_path");
    rig.io_and(1);
    rig.scheduler.advance(4999ms);
    CHECK(rig.results_since(0) == "pending");
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(0) == "EIO");
}

TEST_CASE("the time without a path begins when the last path fails, not later") {
    Rig rig(queueing(T2), timeout_5s);
    rig.message("fail_path P1");
    rig.scheduler.advance(3s);
    rig.message("fail_path P2");
    rig.scheduler.advance(3s);
    rig.message("fail_path P2"); // once more changes nothing
    rig.message("queue_if_no_path");
    rig.io_and(1);
    rig.scheduler.advance(2s);
    CHECK(rig.results_since(0) == "EIO");
}

TEST_CASE("a table loaded without a valid path starts the time") {
    Rig rig(queueing(T1), timeout_5s, {"P1"});
    rig.io_and(1);
    rig.scheduler.advance(5s);
    CHECK(rig.results_since(0) == "EIO");
}

TEST_CASE("a reinstated path and fail_if_no_path stop the time") {
    for (const char *text : {"reinstate_path P1", "fail_if_no_path"}) {
        Rig rig(queueing(T1), timeout_5s);
        rig.message("fail_path P1");
        CHECK_FALSE(rig.scheduler.idle());
        rig.message(text);
        CHECK(rig.scheduler.idle());
        rig.scheduler.advance(10s);
        CHECK(rig.told("NO_PATH_TIMEOUT") == 0);
    }
}
