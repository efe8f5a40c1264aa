// SPDX-License-Identifier: BSD-3-Clause
// Suspend, resume and table swap (semantics reference 2.14, R18 to R20; scenarios 21 and 22).
#include "gate_rig.hpp"

#include <doctest/doctest.h>

using Lines = std::vector<std::string>;
using namespace std::chrono_literals;

TEST_CASE("scenario 21: a suspend with flush fails what waits for a path, and resume brings queueing back") {
    GateRig rig(queueing(T4));
    rig.io(1);
    rig.fail_all();
    rig.io_and(2);
    rig.new_events();
    CHECK(rig.suspend() == "ok");
    CHECK(rig.results_since(1) == "EIO EIO");
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 F 1 P2 F 1 E 0 2 0 P3 F 1 P4 F 1");
    CHECK(rig.table().substr(0, 7) == "0 0 2 1");
    CHECK(rig.map.suspended());
    CHECK(rig.new_events() == 0);
    rig.io_and(1);
    CHECK(rig.results_since(3) == "pending");
    CHECK(rig.message("reinstate_path P1") == "ok");
    CHECK(rig.results_since(3) == "pending");
    rig.order();
    CHECK(rig.resume() == "ok");
    CHECK(rig.results_since(3) == "ok");
    CHECK(rig.order() == "1");
    CHECK(rig.table().substr(0, 26) == "1 queue_if_no_path 0 2 1 r");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 A 1 P2 F 1 E 0 2 0 P3 F 1 P4 F 1");
}

TEST_CASE("scenario 22: a suspend without flush lets requests wait on, through a resume") {
    GateRig rig(queueing(T4));
    rig.io(1);
    rig.fail_all();
    rig.io_and(2);
    CHECK(rig.suspend(true) == "ok");
    CHECK(rig.results_since(1) == "pending pending");
    CHECK(rig.status().substr(0, 4) == "2 0 ");
    CHECK(rig.table().substr(0, 26) == "1 queue_if_no_path 0 2 1 r");
    CHECK(rig.map.held() == 2);
    CHECK(rig.resume() == "ok");
    CHECK(rig.status() == "2 2 0 0 2 1 E 0 2 0 P1 F 1 P2 F 1 E 0 2 0 P3 F 1 P4 F 1");
    rig.message("reinstate_path P4");
    CHECK(rig.results_since(1) == "ok ok");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 F 1 P4 A 1");
    const std::uint64_t events = rig.map.event_number();
    rig.map.load(queueing(T4));
    CHECK(rig.map.has_inactive_table());
    CHECK(rig.suspend(true) == "ok");
    CHECK(rig.resume() == "ok");
    CHECK_FALSE(rig.map.has_inactive_table());
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.map.event_number() == events);
}

TEST_CASE(
    "scenario 22: a request that fails on the last path of a suspend without flush waits for the new table") {
    GateRig rig(T1);
    rig.io(1);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.map.load(T1);
    rig.start_suspend(true);
    CHECK(rig.suspended == "pending");
    rig.break_path("P1");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.suspended == "ok");
    CHECK(rig.results_since(1) == "pending");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 1 0 P1 F 1");
    rig.repair_path("P1");
    CHECK(rig.resume() == "ok");
    CHECK(rig.results_since(1) == "ok");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 1 0 P1 A 0");
}

TEST_CASE("scenario 22: without a new table the request fails at the resume") {
    GateRig rig(T1);
    rig.io(1);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.start_suspend(true);
    rig.break_path("P1");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.resume() == "ok");
    CHECK(rig.results_since(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 1 1 E 0 1 0 P1 F 1");
}

TEST_CASE("scenario 22: with a flush it fails before the suspend completes") {
    GateRig rig(T1);
    rig.io(1);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.start_suspend(false);
    rig.break_path("P1");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.log == Lines{"ok 0", "EIO 1", "suspended"});
}

TEST_CASE("a suspend waits for what is in flight, and requests meanwhile wait for the resume") {
    GateRig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.start_suspend(false);
    rig.io_and(1);
    CHECK(rig.suspended == "pending");
    CHECK(rig.results_since(0) == "pending pending");
    rig.order();
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.suspended == "ok");
    CHECK(rig.results_since(0) == "ok pending");
    CHECK(rig.order().empty());
    rig.resume();
    CHECK(rig.results_since(0) == "ok ok");
}

TEST_CASE("what was pushed back goes before what came while suspended, each in its order") {
    GateRig rig(queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(2);
    rig.suspend(true);
    rig.io_and(2);
    rig.message("reinstate_path P1");
    rig.resume();
    CHECK(rig.log == Lines{"suspended", "ok 0", "ok 1", "ok 2", "ok 3"});
}

TEST_CASE("read-ahead does not wait for a resume") {
    GateRig rig(T1);
    rig.suspend();
    CHECK(rig.io(1, block::Operation::cache) == "EIO");
}

TEST_CASE("a suspended map that is suspended again says ok") {
    GateRig rig(queueing(T1));
    rig.suspend();
    CHECK(rig.suspend() == "ok");
    CHECK(rig.suspend(true) == "ok");
    rig.resume();
    // R20: saving again would have lost the state.
    CHECK(rig.table().substr(0, 20) == "1 queue_if_no_path 0");
    CHECK(rig.resume() == "ok");
}

TEST_CASE("a suspend that nobody waits for any more is undone") {
    GateRig rig(queueing(T2));
    rig.io(1);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.start_suspend(false);
    rig.io_and(1);
    CHECK(rig.table().substr(0, 4) == "0 0 ");
    rig.map.withdraw(rig.suspend_ticket);
    rig.scheduler.run();
    CHECK(rig.suspended == "pending");
    CHECK_FALSE(rig.map.suspended());
    CHECK(rig.table().substr(0, 20) == "1 queue_if_no_path 0");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results_since(1) == "ok ok");
}

TEST_CASE("a message while suspended decides about queueing after the resume") {
    GateRig rig(T1);
    rig.suspend();
    rig.message("queue_if_no_path");
    rig.resume();
    CHECK(rig.table().substr(0, 18) == "1 queue_if_no_path");
}

TEST_CASE("a resume with a table suspends first, with a flush if not told otherwise") {
    GateRig rig(queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(1);
    rig.map.load(queueing(T2));
    CHECK(rig.resume() == "ok");
    CHECK(rig.results_since(0) == "EIO");
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io_and(1);
    rig.map.load(T1);
    CHECK(rig.resume(true) == "ok");
    CHECK(rig.results_since(1) == "ok");
}

TEST_CASE("a table that cannot be read changes nothing") {
    GateRig rig(T2);
    rig.io(1);
    rig.map.load(T1);
    CHECK_THROWS_WITH(rig.map.load("0 0 1 1 bogus 0 1 1 P1 1"), "unknown path selector type");
    CHECK(rig.map.inactive_table_text() == T1 + " ");
    CHECK(rig.io(1) == "ok");
    rig.map.clear();
    CHECK(rig.resume() == "ok");
    CHECK(rig.table() == T2);
}

TEST_CASE("a path that was lost while the table lay inactive is failed when it goes live") {
    GateRig rig(T2);
    rig.map.load(T2);
    rig.unreachable = {"P1"};
    rig.resume();
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 1 0 P1 F 0 E 0 1 0 P2 A 0");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "2");
}

TEST_CASE("what paths of the old table hold in their caches is flushed before the new one is live") {
    GateRig rig(T2, {.independent_caches = true});
    rig.io(1, block::Operation::write);
    rig.map.load(T1);
    rig.order();
    rig.resume();
    CHECK(rig.order() == "1 flush");
}

TEST_CASE("shutting down ends whoever waits") {
    GateRig rig(T1);
    rig.device("P1").holding = true;
    rig.io_and(1);
    rig.start_suspend(false);
    rig.io_and(1);
    rig.map.shut_down();
    rig.scheduler.run();
    CHECK(rig.suspended == "ESHUTDOWN");
    CHECK(rig.results_since(0) == "pending ESHUTDOWN");
}

TEST_CASE("a client that dies while suspended leaves nothing behind") {
    GateRig rig(queueing(T1));
    rig.message("fail_path P1");
    rig.io_and(1);
    rig.suspend(true);
    rig.io_and(1);
    rig.drop_client();
    CHECK(rig.results_since(0) == "ESHUTDOWN ESHUTDOWN");
    CHECK(rig.map.held() == 0);
}

TEST_CASE("suspend, swap and resume are told, uncounted") {
    GateRig rig(T1);
    rig.map.load(T2);
    rig.resume();
    CHECK(rig.events == Lines{"SUSPENDED", "TABLE_SWAPPED", "RESUMED"});
    CHECK(rig.new_events() == 0);
}

TEST_CASE("a map without a live table fails requests, and its first resume needs a table") {
    fakes::ManualScheduler scheduler;
    GateRig rig(T1);
    multipath::Map map(scheduler, "n", {}, rig, rig);
    multipath::Ticket ticket(base::Delegate<int>{});
    CHECK_THROWS_AS(map.resume(ticket), base::Error);
    CHECK_FALSE(map.has_live_table());
    map.path_lost(rig.device("P1"));
    map.path_answers(rig.device("P1"));
    CHECK_FALSE(map.wants_back(rig.device("P1")));
    CHECK(rig.events.empty());
}

TEST_CASE("a map uses the devices of both its tables") {
    GateRig rig(T1);
    CHECK(rig.map.uses(rig.device("P1")));
    CHECK_FALSE(rig.map.uses(rig.device("P2")));
    rig.map.load(T2);
    CHECK(rig.map.uses(rig.device("P2")));
    CHECK_FALSE(rig.map.uses(rig.device("P3")));
    rig.map.clear();
    CHECK_FALSE(rig.map.uses(rig.device("P2")));
}

TEST_CASE(
    "under kernel compatibility a request that fails while a suspend waits is not sent again before resume") {
    for (const bool noflush : {false, true}) {
        GateRig rig("0 0 1 1 round-robin 0 2 1 P1 1 P2 1", {.rules = {&multipath::kernel}});
        rig.device("P1").holding = true;
        rig.io_and(1);
        rig.start_suspend(noflush);
        rig.break_path("P1");
        rig.device("P1").release();
        rig.scheduler.run();
        CHECK(rig.suspended == "ok");
        CHECK(rig.results_since(0) == "pending");
        rig.order();
        rig.resume();
        CHECK(rig.order() == "2");
        CHECK(rig.results_since(0) == "ok");
    }
}

TEST_CASE("under kernel compatibility a suspended map refuses every message") {
    GateRig rig(T2, {.rules = {&multipath::kernel}});
    rig.suspend();
    CHECK(rig.message("fail_path P1") == "EBUSY");
    CHECK(rig.message("nonsense") == "EBUSY");
    rig.resume();
    CHECK(rig.message("fail_path P1") == "ok");
}
