// SPDX-License-Identifier: BSD-3-Clause
// Which path a request gets: semantics reference 2.1 to 2.3.
#include "rig.hpp"

#include <doctest/doctest.h>

namespace {
const std::string repeat3 = "0 0 1 1 round-robin 0 2 1 P1 3 P2 3";
}

TEST_CASE("a path is kept for repeat_count requests") {
    Rig rig(repeat3);
    rig.io(7);
    CHECK(rig.order() == "1 1 1 2 2 2 1");
}

TEST_CASE("a failed path does not use up its repeat count") {
    Rig rig(repeat3);
    rig.io(1);
    rig.message("fail_path P1");
    rig.io(4);
    CHECK(rig.order() == "1 2 2 2 2");
}

TEST_CASE("failing another path leaves the current one in use") {
    Rig rig(repeat3);
    rig.io(1);
    rig.message("fail_path P2");
    rig.io(1);
    CHECK(rig.order() == "1 1");
}

TEST_CASE("reinstating any path starts the rotation again, with that path when it is in the group") {
    Rig rig("0 0 2 1 round-robin 0 2 1 P1 3 P2 3 round-robin 0 1 1 P3 1");
    rig.message("fail_path P3");
    rig.io(1);
    rig.message("reinstate_path P3");
    rig.io(1);
    CHECK(rig.order() == "1 2");
    rig.message("fail_path P1");
    rig.message("reinstate_path P1");
    rig.io(1);
    CHECK(rig.order() == "1");
}

TEST_CASE("a repeat count of 0 pins the path until it fails") {
    Rig rig("0 0 1 1 round-robin 0 2 1 P1 0 P2 0");
    rig.io(5);
    rig.message("fail_path P1");
    rig.io(2);
    CHECK(rig.order() == "1 1 1 1 1 2 2");
}

TEST_CASE("an ordered group comes before the current one, once") {
    Rig rig(T3);
    rig.io(1);
    rig.message("switch_group 3");
    rig.io(1);
    CHECK(rig.order() == "1 3");
    rig.message("enable_group 1"); // forgets the current group
    rig.io(1);
    CHECK(rig.order() == "1");
}

TEST_CASE("the current group is kept when a better one is back") {
    Rig rig(T3);
    rig.message("fail_path P1");
    rig.io(1);
    rig.message("reinstate_path P1");
    rig.io(1);
    CHECK(rig.order() == "2 2");
}

TEST_CASE("groups are tried in order, those that are disabled last") {
    Rig rig(T3);
    rig.io(1);
    rig.message("disable_group 1");
    rig.message("fail_path P2");
    rig.io(1);
    CHECK(rig.order() == "1 3");
    rig.message("fail_path P3");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1");
}

TEST_CASE("with every group disabled the first one that has a path is used") {
    Rig rig(T3);
    rig.io(1);
    for (const char *group : {"1", "2", "3"})
        rig.message(std::string("disable_group ") + group);
    rig.message("fail_path P1");
    rig.order();
    rig.io(2);
    CHECK(rig.order() == "2 2");
}

TEST_CASE("an order for a disabled group is followed") {
    Rig rig(T2);
    rig.message("switch_group 2");
    rig.message("disable_group 2");
    rig.io(2);
    CHECK(rig.order() == "2 2");
}

TEST_CASE("a newer switch order replaces an older one") {
    Rig rig(T3);
    rig.message("switch_group 2");
    rig.message("switch_group 3");
    rig.io(1);
    CHECK(rig.order() == "3");
}

TEST_CASE("without any valid path the current group is forgotten") {
    Rig rig(T2);
    rig.io(1);
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io(1);
    rig.message("reinstate_path P2");
    rig.message("reinstate_path P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "1");
}

TEST_CASE("choosing without a valid path ends the wait for an initialisation") {
    Rig rig(T1, {}, {"P1"});
    CHECK(rig.map.live_table()->queue_io());
    CHECK(rig.io(1) == "EIO");
    CHECK_FALSE(rig.map.live_table()->queue_io());
}

TEST_CASE("while the group awaits its initialisation the repeat count stands still") {
    // Fresh maps only, until there are hardware handlers: the first choice ends it.
    Rig rig(repeat3);
    CHECK(rig.map.live_table()->queue_io());
    rig.io(1);
    CHECK_FALSE(rig.map.live_table()->queue_io());
}

TEST_CASE("the first choice of the worker is used up when the repeat count is 1") {
    Rig rig("0 0 1 1 round-robin 0 3 1 P1 1 P2 1 P3 1");
    rig.break_path("P1");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 3");
}

TEST_CASE("the first choice of the worker is used when the repeat count is larger") {
    Rig rig("0 0 1 1 round-robin 0 3 1 P1 2 P2 2 P3 2");
    rig.break_path("P1");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 2");
}
