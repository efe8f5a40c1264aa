// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "fakes/fake_port.hpp"
#include "rig.hpp"

#include <doctest/doctest.h>

namespace {

using namespace std::chrono_literals;
constexpr block::ScsiResult refused{.status = 2, .has_sense = true, .key = 5, .asc = 0x20};
constexpr block::ScsiResult attention{.status = 2, .has_sense = true, .key = 6, .asc = 0x2a, .ascq = 3};
constexpr health::Registrar::Key ours{.key = 0x123};

/// Both paths lead to one unit, and the map has a key.
struct KeyRig {
    explicit KeyRig(const health::Expected &stated = {})
        : rig(stated) {
        rig.a.port = &a;
        rig.b.port = &b;
        rig.keeper.registrar().set(ours);
    }
    [[nodiscard]] std::vector<std::uint64_t> keys() const {
        std::vector<std::uint64_t> result;
        for (const auto &[port, key] : unit.keys)
            result.push_back(key);
        return result;
    }
    void reconnect(fakes::FakeBackend &path) {
        path.go_down();
        path.come_up();
    }

    fakes::FakeRegistrations unit;
    Rig rig;
    fakes::FakePort a{rig.scheduler, unit};
    fakes::FakePort b{rig.scheduler, unit};
};

using Keys = std::vector<std::uint64_t>;

} // namespace

TEST_CASE("a path is registered before it is used, and nobody hears of a failure") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    keyed.b.holding = true;
    rig.both_up();
    CHECK(rig.paths() == "AF");
    CHECK(rig.keeper.state(rig.b) == health::PathState::registering);
    keyed.b.release();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(keyed.keys() == Keys{0x123, 0x123});
    CHECK(rig.bad_news.empty());
    // The keys are read, the key is registered, and seen to be there; then the path is probed: asked and
    // read.
    CHECK(keyed.a.operations == std::vector<unsigned>{0x5e00, 0x5f06, 0x5e00, 0});
    CHECK(rig.a.reads == 1);
}

TEST_CASE("a path that returns by hand only is used once it is registered at the start") {
    health::Expected by_hand;
    by_hand.reinstate = false;
    KeyRig keyed(by_hand);
    keyed.rig.both_up();
    CHECK(keyed.rig.paths() == "AA");
}

TEST_CASE("a path is registered again after each reconnect, whatever attentions wait there") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    rig.both_up();
    keyed.unit.keys.erase(&keyed.a); // a target that drops registrations with sessions
    keyed.a.before = {attention, attention};
    keyed.reconnect(rig.a);
    CHECK(rig.paths() == "FA");
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(keyed.keys() == Keys{0x123, 0x123});
}

TEST_CASE("a path that cannot be registered is not used, and is tried every second") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    rig.both_up();
    keyed.a.before = {{}, refused}; // what came of reading the keys is of no matter
    keyed.reconnect(rig.a);
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    CHECK(rig.keeper.state(rig.a) == health::PathState::unregistered);
    CHECK(rig.bad_news.back() == "path A is not used: the reservation key 0x123 cannot be registered there: "
                                 "ILLEGAL REQUEST (5/20/00)");
    CHECK_THROWS_AS(rig.message({"reinstate_path", "A"}), base::Error);
    CHECK(rig.paths() == "FA");
    rig.scheduler.advance(1s);
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("a path that is not SCSI is not used while there is a key") {
    KeyRig keyed;
    keyed.rig.b.port = nullptr;
    keyed.rig.both_up();
    CHECK(keyed.rig.paths() == "AF");
    CHECK(keyed.rig.bad_news.back() ==
          "path B is not used: the reservation key 0x123 cannot be registered there: it is not SCSI");
}

TEST_CASE("a key that somebody removed is not registered again by itself") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    rig.both_up();
    keyed.unit.keys = {{&keyed, 0x999}};
    ++keyed.unit.generation;
    keyed.reconnect(rig.a);
    rig.scheduler.run();
    CHECK(rig.paths() == "AA"); // the unit refuses what it has reserved
    CHECK(keyed.keys() == Keys{0x999});
    CHECK(rig.bad_news.back().starts_with(
        "path A is not registered: somebody has removed the reservation key 0x123"));
}

TEST_CASE("a target that has started again is registered with again") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    rig.both_up();
    keyed.unit = {};
    keyed.reconnect(rig.a);
    keyed.reconnect(rig.b);
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(keyed.keys() == Keys{0x123, 0x123});
}

TEST_CASE("a path that registers while the key changes ends with the new one") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    rig.both_up();
    keyed.a.holding = true;
    keyed.reconnect(rig.a);
    rig.scheduler.run();
    rig.keeper.registrar().set({.key = 0x456});
    keyed.a.release();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(keyed.unit.keys[&keyed.a] == 0x456);
    CHECK(keyed.unit.keys[&keyed.b] == 0x123); // whoever changed it sees to those that are active
}

TEST_CASE("a connection that is lost while it registers is no news") {
    KeyRig keyed;
    Rig &rig = keyed.rig;
    rig.both_up();
    keyed.a.holding = true;
    keyed.reconnect(rig.a);
    rig.scheduler.run();
    rig.a.go_down();
    rig.a.come_up();
    keyed.a.release();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(keyed.unit.keys[&keyed.a] == 0x123);
}
