// SPDX-License-Identifier: BSD-3-Clause
// The name that a map's SCSI paths must have (design D6).
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace {

const std::string right = "naa.6001405aabbccddeeff0011223344556";
const std::string other = "naa.6001405aabbccddeeff0011223344557";

/// Both paths are SCSI paths of the unit that the map states.
void name_units(Rig &rig) {
    for (fakes::FakeBackend *path : {&rig.a, &rig.b}) {
        path->is_scsi = true;
        path->unit.says.wwid = right;
    }
}

} // namespace

TEST_CASE("a path whose unit has another name than the map states is not used") {
    Rig rig({.size = {}, .wwid = right});
    name_units(rig);
    SUBCASE("another") {
        rig.a.unit.says.wwid = other;
        rig.both_up();
        REQUIRE(rig.bad_news.size() == 1);
        CHECK(rig.bad_news[0] == "path A is not this disk and will not be used: its unit is " + other +
                                     ", the map's wwid is " + right);
    }
    SUBCASE("none") {
        rig.a.unit.says.wwid.clear();
        rig.both_up();
        REQUIRE(rig.bad_news.size() == 1);
        CHECK(rig.bad_news[0] == "path A is not this disk and will not be used: its unit says no name, "
                                 "the map's wwid is " +
                                     right);
    }
    CHECK(rig.paths() == "FA");
    CHECK(rig.keeper.state(rig.a) == health::PathState::mismatch);
    rig.keeper.accept("A");
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FA");
    CHECK(rig.a.reads == 0);
}

TEST_CASE("a path of another name does not tell the size of the disk") {
    Rig rig({.size = {}, .wwid = right});
    name_units(rig);
    rig.a.unit.says.wwid = other;
    rig.a.disk.size = 1 << 21;
    rig.both_up();
    CHECK(rig.map.geometry().size == 1 << 20);
    CHECK(rig.paths() == "FA");
}

TEST_CASE("a path that comes back with another name is not used until it has the right one") {
    Rig rig({.size = {}, .wwid = right});
    name_units(rig);
    rig.both_up();
    CHECK(rig.paths() == "AA");
    rig.a.go_down();
    rig.a.unit.says.wwid = other;
    rig.a.come_up();
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FA");
    rig.a.go_down();
    rig.a.unit.says.wwid = right;
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("paths that have no SCSI side need no name") {
    Rig rig({.size = {}, .wwid = right});
    name_units(rig);
    rig.b.is_scsi = false;
    rig.both_up();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("without a stated name any will do") {
    Rig rig;
    rig.a.is_scsi = true;
    rig.a.unit.says.wwid = other;
    rig.both_up();
    CHECK(rig.paths() == "AA");
}
