// SPDX-License-Identifier: BSD-3-Clause
// INFO and TABLE: semantics reference 2.19 and 2.20.
#include "rig.hpp"

#include <doctest/doctest.h>

TEST_CASE("INFO and TABLE end with a blank") {
    Rig rig(T1);
    CHECK(rig.map.info_text() == "2 0 0 0 1 1 E 0 1 0 P1 A 0 ");
    CHECK(rig.map.table_text() == "0 0 1 1 round-robin 0 1 1 P1 1 ");
}

TEST_CASE("INFO counts held requests") {
    Rig rig(queueing(T2));
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io_and(3);
    CHECK(rig.status() == "2 3 0 0 2 1 E 0 1 0 P1 F 1 E 0 1 0 P2 F 1");
}

TEST_CASE("INFO names the ordered group before the current one, and 1 when there is neither") {
    Rig rig(T3);
    const auto initial = [&rig] { return rig.status().substr(0, 11); };
    rig.io(1);
    CHECK(initial() == "2 0 0 0 3 1");
    rig.message("switch_group 3");
    CHECK(initial() == "2 0 0 0 3 3");
    rig.io(1);
    CHECK(initial() == "2 0 0 0 3 3");
    rig.message("enable_group 2");
    CHECK(initial() == "2 0 0 0 3 1");
}

TEST_CASE("a disabled group shows D although it is in use") {
    Rig rig(T2);
    rig.message("disable_group 1");
    rig.io(1);
    CHECK(rig.status() == "2 0 0 0 2 1 D 0 1 0 P1 A 0 E 0 1 0 P2 A 0");
}

TEST_CASE("paths stand in declaration order, whatever the rotation is") {
    Rig rig("0 0 1 1 round-robin 0 3 1 P3 1 P1 1 P2 1");
    rig.io(2);
    rig.message("fail_path P3");
    rig.message("reinstate_path P3");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 3 0 P3 A 1 P1 A 0 P2 A 0");
}

TEST_CASE("a path that was loaded failed shows F and count 0") {
    Rig rig(T2, {}, {"P1"});
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 1 0 P1 F 0 E 0 1 0 P2 A 0");
}

TEST_CASE("TABLE shows the live queueing state and the live group, not what was loaded") {
    Rig rig(queueing(T2));
    rig.message("switch_group 2");
    rig.message("fail_if_no_path");
    CHECK(rig.table() == "0 0 2 2 round-robin 0 1 1 P1 1 round-robin 0 1 1 P2 1");
    rig.message("queue_if_no_path");
    CHECK(rig.table().substr(0, 26) == "1 queue_if_no_path 0 2 2 r");
}

TEST_CASE("TABLE shows neither disabled groups nor failed paths") {
    Rig rig(T2);
    rig.message("disable_group 2");
    rig.message("fail_path P1");
    CHECK(rig.table() == T2);
}

TEST_CASE("a map without groups has a status") {
    Rig rig("0 0 0 0");
    CHECK(rig.status() == "2 0 0 0 0 1");
    CHECK(rig.table() == "0 0 0 0");
    CHECK(rig.io(1) == "EIO");
}

TEST_CASE("dependencies name each path once") {
    Rig rig("0 0 2 1 round-robin 0 2 1 P1 1 P2 1 round-robin 0 2 1 P1 1 P3 1");
    CHECK(rig.map.dependencies() == std::vector<std::string>{"P1", "P2", "P3"});
}
