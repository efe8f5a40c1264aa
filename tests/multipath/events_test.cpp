// SPDX-License-Identifier: BSD-3-Clause
// Semantics reference 2.15 and 4.8.
#include "rig.hpp"

#include <doctest/doctest.h>

using Lines = std::vector<std::string>;

TEST_CASE("every path change is one event with its own sequence number") {
    Rig rig(T2);
    for (const char *text : {"fail_path P1", "disable_group 1", "fail_path P2", "reinstate_path P1"})
        rig.message(text);
    CHECK(rig.events == Lines{"PATH_FAILED path=P1 nr_valid=1 seq=1", "PG_DISABLED pg=1",
                              "PATH_FAILED path=P2 nr_valid=0 seq=2",
                              "PATH_REINSTATED path=P1 nr_valid=1 seq=3"});
    CHECK(rig.map.event_number() == 4);
}

TEST_CASE("a change of nothing is no event") {
    Rig rig(T2);
    rig.message("reinstate_path P1");
    rig.message("fail_if_no_path");
    CHECK(rig.events.empty());
}

TEST_CASE("enabling a group that is enabled is an event") {
    Rig rig(T2);
    rig.message("enable_group 2");
    rig.message("switch_group 2");
    CHECK(rig.events == Lines{"PG_ENABLED pg=2", "PG_SWITCH pg=2"});
    CHECK(rig.map.event_number() == 2);
}

TEST_CASE("a group that a request brings into use is told of, uncounted") {
    Rig rig(T2);
    rig.io(2);
    CHECK(rig.events == Lines{"PG_CURRENT pg=1"});
    CHECK(rig.map.event_number() == 0);
    rig.message("switch_group 2");
    rig.io(1);
    CHECK(rig.events.back() == "PG_CURRENT pg=2");
    CHECK(rig.map.event_number() == 1);
}

TEST_CASE("a group that a failover brings into use is told of") {
    Rig rig(T2);
    rig.break_path("P1");
    rig.io(1);
    CHECK(rig.events == Lines{"PG_CURRENT pg=1", "PATH_FAILED path=P1 nr_valid=1 seq=1", "PG_CURRENT pg=2"});
}

TEST_CASE("queueing changes are told of, uncounted, and only changes") {
    Rig rig(T2);
    rig.message("queue_if_no_path");
    rig.message("queue_if_no_path");
    rig.message("fail_if_no_path");
    CHECK(rig.events == Lines{"QUEUEING on", "QUEUEING off"});
    CHECK(rig.map.event_number() == 0);
}

TEST_CASE("the no-path timeout tells what it does, uncounted") {
    using namespace std::chrono_literals;
    Rig rig(queueing(T1), {.no_path_timeout = 1s});
    rig.message("fail_path P1");
    rig.scheduler.advance(1s);
    CHECK(rig.events == Lines{"PATH_FAILED path=P1 nr_valid=0 seq=1", "NO_PATH_TIMEOUT", "QUEUEING off"});
    CHECK(rig.map.event_number() == 1);
}
