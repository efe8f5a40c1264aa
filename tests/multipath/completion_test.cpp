// SPDX-License-Identifier: BSD-3-Clause
// What a path's answer does: semantics reference 2.6 and 4.3.
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using block::Outcome;

namespace {
const std::string both_good = "2 0 0 0 2 1 A 0 1 0 P1 A 0 E 0 1 0 P2 A 0";
}

TEST_CASE("an error of the disk goes to the client and fails no path") {
    for (const int error : {EPERM, EINVAL, ENOSPC, EIO}) {
        Rig rig(T2);
        rig.device("P1").answer = block::Status::target_error(error);
        CHECK(rig.io(1) == base::errno_name(error));
        CHECK(rig.status() == both_good);
        CHECK(rig.order() == "1");
        CHECK(rig.new_events() == 0);
    }
}

TEST_CASE("what a path does not support goes to the client and fails no path") {
    Rig rig(T2);
    rig.device("P1").answer = {Outcome::pass, ENOTSUP};
    CHECK(rig.io(1, block::Operation::write_zeroes) == base::errno_name(ENOTSUP));
    CHECK(rig.status() == both_good);
}

TEST_CASE("a cache request that would block goes back to the client and fails no path") {
    Rig rig(T2);
    rig.device("P1").answer = {Outcome::path_delayed, EAGAIN};
    CHECK(rig.io(1, block::Operation::cache) == "EAGAIN");
    CHECK(rig.status() == both_good);
}

TEST_CASE("a cache request fails its path for any other path error") {
    Rig rig(T2);
    rig.break_path("P1");
    CHECK(rig.io(1, block::Operation::cache) == "ok");
    CHECK(rig.order() == "1 2");
}

TEST_CASE("a path error fails the path and the request goes to another") {
    Rig rig(T2);
    rig.break_path("P1");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 2");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 1 0 P1 F 1 A 0 1 0 P2 A 0");
}

TEST_CASE("errors of one path fail it once") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(5);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok ok ok ok ok");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 1 0 P1 F 1 A 0 1 0 P2 A 0");
    CHECK(rig.new_events() == 1);
}

TEST_CASE("an error of a path that failed meanwhile only sends the request elsewhere") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.message("fail_path P1");
    CHECK(rig.results_since(0) == "pending");
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status().find("P1 F 1") != std::string::npos);
}

TEST_CASE("a success of a path that failed meanwhile is a success") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.message("fail_path P1");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.order() == "1");
}

TEST_CASE("a late error of a path that was failed and reinstated fails it again") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.message("fail_path P1");
    rig.message("reinstate_path P1");
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status().find("P1 F 2") != std::string::npos);
}

TEST_CASE("the error of the last path becomes EIO, and the current group is forgotten") {
    Rig rig(T1);
    rig.device("P1").answer = block::Status::path_error(ENOTCONN);
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.order() == "1");
    CHECK(rig.status() == "2 0 0 0 1 1 E 0 1 0 P1 F 1");
}

TEST_CASE("an error that arrives when no path is left ends as EIO at once") {
    Rig rig(T1);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.message("fail_path P1");
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "EIO");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 1 0 P1 F 1");
}

TEST_CASE("an error that arrives when no path is left is held while queueing") {
    Rig rig(queueing(T1));
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.message("fail_path P1");
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.map.held() == 1);
    rig.device("P1").holding = false;
    rig.message("reinstate_path P1");
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status().find("P1 A 1") != std::string::npos);
}

TEST_CASE("after a shortage the request waits 100 ms, counted as held") {
    Rig rig(T2);
    rig.device("P1").answer = {Outcome::path_delayed, ENOMEM};
    rig.io_and(1);
    CHECK(rig.status() == "2 1 0 0 2 1 A 0 1 0 P1 F 1 E 0 1 0 P2 A 0");
    rig.scheduler.advance(99ms);
    CHECK(rig.results_since(0) == "pending");
    CHECK(rig.map.held_oldest() == 99ms);
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.map.held() == 0);
    CHECK(rig.map.held_oldest() == 0ms);
}

TEST_CASE("every request waits its own 100 ms after a shortage") {
    Rig rig(T3);
    rig.device("P1").answer = rig.device("P2").answer = {Outcome::path_delayed, ENOMEM};
    rig.io_and(1);
    rig.scheduler.advance(60ms);
    rig.io_and(1); // P2
    rig.scheduler.advance(40ms);
    CHECK(rig.results_since(0) == "ok pending");
    rig.scheduler.advance(59ms);
    CHECK(rig.results_since(0) == "ok pending");
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(0) == "ok ok");
    CHECK(rig.scheduler.idle());
}

TEST_CASE("a shortage on the last path ends as EIO after the wait") {
    Rig rig(T1);
    rig.device("P1").answer = {Outcome::path_delayed, ENOMEM};
    rig.io_and(1);
    CHECK(rig.results_since(0) == "pending");
    rig.scheduler.advance(100ms);
    CHECK(rig.results_since(0) == "EIO");
}

TEST_CASE("requests that come while others wait are not put behind them") {
    Rig rig(T2);
    rig.device("P1").answer = {Outcome::path_delayed, EBUSY};
    rig.io_and(1);
    rig.io_and(1);
    CHECK(rig.results_since(0) == "pending ok");
    rig.scheduler.advance(100ms);
    CHECK(rig.results_since(0) == "ok ok");
}

TEST_CASE("in-flight requests are counted") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(3);
    CHECK(rig.map.in_flight() == 3);
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.map.in_flight() == 0);
}

TEST_CASE("a request of a client that is gone is not sent again when its path fails") {
    Rig rig(queueing(T4));
    rig.device("P1").holding = true;
    rig.io_and(1, block::Operation::write);
    rig.order();
    rig.client_gone = true;
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results.back() == "ESHUTDOWN");
    CHECK(rig.order().empty());
    CHECK(rig.map.held() == 0);
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 F 1 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("each path entry counts what it was given and which of it failed for the path") {
    Rig rig(T2);
    CHECK(rig.io(2) == "ok ok");
    CHECK(rig.io(1, block::Operation::flush) == "ok");
    rig.break_path("P1");
    CHECK(rig.io(1) == "ok");
    rig.device("P2").answer = block::Status::target_error(ENOSPC);
    CHECK(rig.io(1) == "ENOSPC");
    const auto statistics = rig.map.statistics();
    REQUIRE(statistics.size() == 2);
    CHECK(statistics[0].path == "P1");
    CHECK(statistics[0].counters.requests == 4);
    CHECK(statistics[0].counters.bytes == 3 * 4096);
    CHECK(statistics[0].counters.errors == 1);
    CHECK(statistics[1].group == 2);
    CHECK(statistics[1].counters.requests == 2);
    CHECK(statistics[1].counters.errors == 0);
}
