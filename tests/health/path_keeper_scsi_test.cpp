// SPDX-License-Identifier: BSD-3-Clause
// Paths to SCSI units: asked whether they are ready before they are read, and used while they wait for
// activation.
#include "fakes/fake_scsi_port.hpp"
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using fakes::good;
using fakes::sense;

namespace {

/// Both paths lead to SCSI units.
struct Units {
    explicit Units(const std::string &handler = "0", std::uint8_t mode = 3) {
        rig.table = "0 " + handler + " 1 1 round-robin 0 2 0 A B";
        a.says.port_groups = b.says.port_groups = mode;
        rig.a.port = &a;
        rig.b.port = &b;
        rig.both_up();
        rig.scheduler.advance(100ms);
        a.took();
    }
    ~Units() {
        rig.keeper.stop();
        rig.map.shut_down(); // the handler lets go of the units
        rig.scheduler.run();
    }
    void answer(const block::ScsiReply &reply) {
        a.answer = [reply](const block::ScsiOrder &order) {
            return order.block[0] == std::byte{0} ? reply : good();
        };
    }
    fakes::ManualScheduler &scheduler() { return rig.scheduler; }

    Rig rig;
    fakes::FakeScsiPort a{rig.scheduler};
    fakes::FakeScsiPort b{rig.scheduler};
};

const auto standby = sense(2, 4, 0x0b);

} // namespace

TEST_CASE("a unit is asked whether it is ready, and then read") {
    Units units;
    units.rig.map.path_lost(units.rig.a);
    units.scheduler().advance(1s);
    CHECK(units.a.took() == "00");
    CHECK(units.rig.a.reads == 1);
    CHECK(units.rig.paths() == "AA");
    CHECK(units.b.took().empty());
}

TEST_CASE("unit attentions are asked through") {
    Units units;
    units.a.answer = [left = 3](const block::ScsiOrder &) mutable {
        return left-- > 0 ? sense(6, 0x29, 0) : good();
    };
    units.rig.map.path_lost(units.rig.a);
    units.scheduler().advance(1s);
    CHECK(units.a.took() == "00 00 00 00");
    CHECK(units.rig.paths() == "AA");
}

TEST_CASE("a unit that is not ready is not read, and asked every second") {
    for (const block::ScsiReply &reply : {sense(2, 4, 1), sense(2, 0x3a, 0), sense(5, 0x25, 0), standby,
                                          sense(2, 4, 0x0c), fakes::status(block::ScsiReply::overdue)}) {
        Units units;
        units.answer(reply);
        units.rig.map.path_lost(units.rig.a);
        units.scheduler().advance(3s);
        CHECK(units.a.took() == "00 00 00");
        CHECK(units.rig.a.reads == 0);
        CHECK(units.rig.paths() == "FA");
        CHECK(units.rig.checks == std::vector<std::string>{"A down"});
        units.a.answer = {};
        units.scheduler().advance(1s);
        CHECK(units.rig.paths() == "AA");
    }
}

TEST_CASE("with a hardware handler a path that can be activated is a path that works") {
    for (const std::uint8_t code : {std::uint8_t{0x0a}, std::uint8_t{0x0b}, std::uint8_t{0x0c}}) {
        Units units("1 alua");
        units.answer(sense(2, 4, code));
        for (int i = 0; i < 2; ++i) {
            units.rig.map.path_lost(units.rig.a);
            units.scheduler().advance(1s);
            CHECK(units.rig.paths() == "AA");
        }
        CHECK(units.rig.a.reads == 0);
    }
    Units units("1 alua");
    units.answer(sense(2, 4, 1));
    units.rig.map.path_lost(units.rig.a);
    units.scheduler().advance(3s);
    CHECK(units.rig.paths() == "FA");
}

TEST_CASE("where only the array activates, an inactive path that failed waits for the array") {
    Units units("1 alua", 1);
    units.answer(standby);
    units.rig.map.path_lost(units.rig.a);
    units.scheduler().advance(3s);
    CHECK(units.rig.paths() == "FA");
    units.answer(good());
    units.scheduler().advance(1s);
    CHECK(units.rig.paths() == "AA");
    units.answer(standby);
    units.a.up = false;
    units.rig.a.go_down();
    units.a.up = true;
    units.rig.a.come_up();
    units.scheduler().advance(1s);
    CHECK(units.rig.paths() == "AA"); // nobody has tried yet
    CHECK(units.rig.news.back() == "path A is connected and stands by");
}

TEST_CASE("a unit that lost its target port groups is a mismatch until it has some again") {
    Units units("1 alua");
    const auto come_back = [&](std::uint8_t mode) {
        units.a.up = false;
        units.rig.a.go_down();
        units.a.says.port_groups = mode;
        units.a.up = true;
        units.rig.a.come_up();
        units.scheduler().advance(5s);
    };
    for (int i = 0; i < 2; ++i) {
        come_back(0);
        CHECK(units.rig.paths() == "FA");
        CHECK(units.rig.keeper.state(units.rig.a) == health::PathState::mismatch);
    }
    CHECK(units.rig.bad_news ==
          std::vector<std::string>{"path A is lost: gone",
                                   "path A is not this disk and will not be used: its unit has no target "
                                   "port groups, which hardware handler alua needs"});
    come_back(1);
    CHECK(units.rig.paths() == "AA");
}
