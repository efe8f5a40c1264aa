// SPDX-License-Identifier: BSD-3-Clause
// Flush and FUA over one shared device (design D4).
#include "rig.hpp"

#include <doctest/doctest.h>

using block::Operation;

TEST_CASE("over a shared device a flush goes to one path") {
    Rig rig(T4);
    rig.io(3, Operation::write);
    rig.order();
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "2 flush");
}

TEST_CASE("over a shared device a lost path hurts no flush") {
    Rig rig(T4);
    rig.io(2, Operation::write);
    rig.device("P1").lose_connection();
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.io(1, Operation::write, true) == "ok");
}
