// SPDX-License-Identifier: BSD-3-Clause
// Outcome `retry` (semantics reference 4.3): the same path again, as often and after as long as the status
// says.
#include "gate_rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using block::Outcome;
using block::Status;

TEST_CASE("a request that nobody is at fault for is tried on its path five times more, then the path fails") {
    Rig rig(T2);
    rig.device("P1").answer = {Outcome::retry, EINTR};
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 1 1 1 1 1 2");
    CHECK(rig.status().find("P1 F 1") != std::string::npos);
}

TEST_CASE("every path has its own five tries") {
    Rig rig(T2);
    rig.device("P1").answer = rig.device("P2").answer = {Outcome::retry, EINTR};
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.order() == "1 1 1 1 1 1 2 2 2 2 2 2");
}

TEST_CASE("a request is not tried again on a path that has failed") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.message("fail_path P1");
    rig.device("P1").answer = {Outcome::retry, EINTR};
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.order() == "1 2");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("a try waits as long as the status says, each further one twice as long") {
    Rig rig(T2);
    rig.device("P1").answer = Status::retry(EIO, 3, 100ms);
    rig.io_and(1);
    CHECK(rig.map.held() == 1);
    for (const auto wait : {100ms, 200ms, 400ms}) {
        rig.scheduler.advance(wait - 1ms);
        CHECK(rig.order() == "1");
        rig.scheduler.advance(1ms);
    }
    CHECK(rig.order() == "1 2");
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 1 0 P1 F 1 A 0 1 0 P2 A 0");
    CHECK(rig.scheduler.idle());
}

TEST_CASE("a try that helps leaves the path good") {
    Rig rig(T2);
    rig.device("P1").answer = Status::retry(EIO, 30, 1s);
    rig.io_and(1);
    rig.scheduler.advance(20s);
    rig.device("P1").answer = Status::success();
    CHECK(rig.results_since(0) == "pending");
    rig.scheduler.advance(1s);
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 1 0 P1 A 0 E 0 1 0 P2 A 0");
}

TEST_CASE("a request that waits to be tried again goes elsewhere when its path fails meanwhile") {
    Rig rig(T2);
    rig.device("P1").answer = Status::retry(EIO, 3, 100ms);
    rig.io_and(1);
    rig.message("fail_path P1");
    rig.scheduler.advance(100ms);
    CHECK(rig.order() == "1 2");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("a request of a dead client, or of a map that shuts down, is not tried again") {
    for (const bool dead : {true, false}) {
        Rig rig(T2);
        rig.device("P1").answer = Status::retry(EIO, 3, 100ms);
        rig.device("P1").holding = true;
        rig.io_and(1);
        if (dead)
            rig.client_gone = true;
        else
            rig.map.shut_down();
        rig.device("P1").release();
        rig.scheduler.run();
        CHECK(rig.order() == "1");
        CHECK(rig.results_since(0) == "ESHUTDOWN");
        CHECK(rig.status().find("P1 A 0") != std::string::npos);
        CHECK(rig.scheduler.idle());
    }
}

TEST_CASE("of several requests that wait each has its own time") {
    Rig rig("0 0 1 1 round-robin 0 2 1 P1 1 P2 1");
    rig.device("P1").answer = Status::retry(EIO, 1, 500ms);
    rig.device("P2").answer = Status::retry(EIO, 1, 100ms);
    rig.io_and(2);
    rig.device("P1").answer = rig.device("P2").answer = Status::success();
    rig.scheduler.advance(100ms);
    CHECK(rig.results_since(0) == "pending ok");
    rig.scheduler.advance(399ms);
    CHECK(rig.results_since(0) == "pending ok");
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(0) == "ok ok");
}

TEST_CASE("a suspend waits for a request that waits to be tried again") {
    GateRig rig(T2);
    rig.device("P1").answer = Status::retry(EIO, 3, 100ms);
    rig.io_and(1);
    CHECK(rig.suspend() == "pending");
    rig.device("P1").answer = Status::success();
    rig.scheduler.advance(100ms);
    CHECK(rig.suspended == "ok");
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.order() == "1 1");
}

TEST_CASE("a suspend without flush keeps a request that waits to be tried again, with all its tries") {
    GateRig rig(T2);
    rig.device("P1").answer = Status::retry(EIO, 2, 100ms);
    rig.io_and(1);
    CHECK(rig.suspend(true) == "ok");
    CHECK(rig.scheduler.idle());
    CHECK(rig.results_since(0) == "pending");
    rig.order();
    CHECK(rig.resume() == "ok");
    rig.scheduler.advance(300ms);
    CHECK(rig.order() == "1 1 1 2");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("a request that waits to be tried again ends at shutdown") {
    Rig rig(T2);
    rig.device("P1").answer = Status::retry(EIO, 3, 100ms);
    rig.io_and(1);
    rig.map.shut_down();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ESHUTDOWN");
    CHECK(rig.map.held() == 0);
    CHECK(rig.scheduler.idle());
}
