// SPDX-License-Identifier: BSD-3-Clause
// What a watcher of the devices tells a map: semantics reference 4.5, R23.
#include "rig.hpp"

#include <doctest/doctest.h>

namespace {
const std::string twice = "0 0 2 1 round-robin 0 2 1 P1 1 P2 1 round-robin 0 1 1 P1 1";
}

TEST_CASE("a lost device fails every entry it has") {
    Rig rig(twice);
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 F 1 P2 A 0 E 0 1 0 P1 F 1");
    CHECK(rig.new_events() == 2);
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.new_events() == 0);
}

TEST_CASE("a device that answers again gets every entry back") {
    Rig rig(twice);
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.map.wants_back(rig.device("P1")));
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 A 1 P2 A 0 E 0 1 0 P1 A 1");
    CHECK_FALSE(rig.map.wants_back(rig.device("P1")));
}

TEST_CASE("a path failed by message stays failed until a message brings it back") {
    Rig rig(T2);
    rig.message("fail_path P1");
    CHECK_FALSE(rig.map.wants_back(rig.device("P1")));
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.status().find("P1 F 1") != std::string::npos);
    rig.message("reinstate_path P1");
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.map.wants_back(rig.device("P1")));
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.status().find("P1 A 2") != std::string::npos);
}

TEST_CASE("fail_path holds down a path that had failed by itself") {
    Rig rig(T2);
    rig.map.path_lost(rig.device("P1"));
    rig.message("fail_path P1");
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.status().find("P1 F 1") != std::string::npos);
}

TEST_CASE("a path held down that is lost and comes back stays held down") {
    Rig rig(T2);
    rig.message("fail_path P1");
    rig.map.path_lost(rig.device("P1"));
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.status().find("P1 F 1") != std::string::npos);
}

TEST_CASE("a path loaded failed comes back with count 0") {
    Rig rig(T2, {}, {"P1"});
    CHECK(rig.map.wants_back(rig.device("P1")));
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "2");
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 1 0 P1 A 0 A 0 1 0 P2 A 0");
    CHECK(rig.events.back() == "PATH_REINSTATED path=P1 nr_valid=2 seq=1");
}

TEST_CASE("a device that is in no table changes nothing") {
    Rig rig(T2);
    const std::string before = rig.status();
    rig.map.path_lost(rig.device("P9"));
    rig.map.path_answers(rig.device("P9"));
    CHECK_FALSE(rig.map.wants_back(rig.device("P9")));
    CHECK(rig.status() == before);
    CHECK(rig.events.empty());
}

TEST_CASE("held requests go out when a device answers again") {
    Rig rig(queueing(T1));
    rig.map.path_lost(rig.device("P1"));
    rig.io_and(2);
    rig.map.path_answers(rig.device("P1"));
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok ok");
}
