// SPDX-License-Identifier: BSD-3-Clause
// Flush and FUA over paths with caches of their own (design D4, D10), and over one shared device.
#include "rig.hpp"

#include <doctest/doctest.h>

using block::Operation;

namespace {
const multipath::MapOptions independent{.independent_caches = true};

/// Three paths, all written to in turn.
struct Written : Rig {
    Written()
        : Rig("0 0 1 1 round-robin 0 3 1 P1 1 P2 1 P3 1", independent) {
        io(2, Operation::write);
        order();
    }
};
} // namespace

TEST_CASE("a flush goes to every path that was written to and to no other") {
    Written rig;
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush 2 flush");
}

TEST_CASE("a second flush with nothing written between goes to one path") {
    Written rig;
    rig.io(1, Operation::flush);
    rig.order();
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "3 flush");
}

TEST_CASE("reads and cache requests need no flush") {
    Rig rig(T1, independent);
    rig.io(1, Operation::read);
    rig.io(1, Operation::cache);
    rig.order();
    rig.io(2, Operation::flush);
    CHECK(rig.order() == "1 flush 1 flush");
}

TEST_CASE("writes, trims and zeroes need a flush each") {
    for (const Operation operation : {Operation::write, Operation::trim, Operation::write_zeroes}) {
        Rig rig(T2, independent);
        rig.io(1, operation);
        rig.message("switch_group 2");
        rig.order();
        rig.io(1, Operation::flush);
        CHECK(rig.order() == "1 flush");
    }
}

TEST_CASE("a path that was written to and is failed now is flushed too") {
    Written rig;
    rig.message("fail_path P1");
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush 2 flush");
}

TEST_CASE("a flush fails when a written path was lost") {
    Written rig;
    rig.device("P1").lose_connection();
    CHECK(rig.io(1, Operation::flush) == "EIO");
    CHECK(rig.io(1, Operation::flush) == "EIO");
}

TEST_CASE("losing a path with nothing unflushed hurts no flush") {
    Written rig;
    rig.io(1, Operation::flush);
    rig.device("P1").lose_connection();
    rig.device("P3").lose_connection();
    CHECK(rig.io(1, Operation::flush) == "ok");
}

TEST_CASE("a flush fails when one of its paths answers it with an error") {
    Written rig;
    rig.break_path("P2");
    CHECK(rig.io(1, Operation::flush) == "EIO");
    rig.repair_path("P2");
    CHECK(rig.io(1, Operation::flush) == "EIO");
}

TEST_CASE("a flush that a restarted server answered covers nothing") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results.back() == "EIO");
}

TEST_CASE("a write counts for the connection it was sent on, also when that ended before the answer was "
          "delivered") {
    Rig rig(T1, independent);
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::write);
    rig.device("P1").release();         // answered,
    rig.device("P1").lose_connection(); // lost,
    rig.scheduler.run();                // delivered
    CHECK(rig.results.back() == "ok");
    CHECK(rig.io(1, Operation::flush) == "EIO");
}

TEST_CASE("a write that is replayed elsewhere counts for the path that acknowledged it") {
    Rig rig(T2, independent);
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::write);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results.back() == "ok");
    rig.order();
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "2 flush");
}

TEST_CASE("after a loss new clients can flush, old ones cannot") {
    Written rig;
    rig.device("P1").lose_connection();
    CHECK(rig.io(1, Operation::flush) == "EIO");
    const std::uint64_t old_epoch = rig.client_epoch;
    rig.client_epoch = rig.map.generation();
    CHECK(rig.io(1, Operation::flush) == "ok");
    rig.client_epoch = old_epoch;
    CHECK(rig.io(1, Operation::flush) == "EIO");
    CHECK(rig.io(1, Operation::write, true) == "EIO");
    CHECK(rig.io(1, Operation::write) == "ok");
}

TEST_CASE("a client that comes after a loss that no flush has met yet can flush") {
    Written rig;
    rig.device("P1").lose_connection();
    rig.client_epoch = rig.map.generation();
    CHECK(rig.io(1, Operation::flush) == "ok");
    rig.client_epoch = 0;
    CHECK(rig.io(1, Operation::flush) == "EIO");
}

TEST_CASE("a client that comes after a loss during a flush can flush") {
    Written rig;
    rig.device("P2").holding = true;
    rig.io_and(1, Operation::flush);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    rig.client_epoch = rig.map.generation();
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.io(1, Operation::flush) == "ok");
}

TEST_CASE("a flush that a lost connection ends fails for old clients, not for one that came after") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.device("P1").lose_connection(); // not delivered yet
    rig.client_epoch = rig.map.generation();
    rig.scheduler.run();
    CHECK(rig.results.back() == "EIO");
    rig.device("P1").holding = false;
    CHECK(rig.io(1, Operation::flush) == "ok");
}

TEST_CASE("a flush waits for the running round and gets one of its own") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.io_and(2, Operation::write); // P3, P1 (held)
    rig.io_and(2, Operation::flush);
    CHECK(rig.order() == "1 flush 2 flush 3 1");
    const std::size_t first = rig.results.size() - 2;
    CHECK(rig.results_since(first) == "pending pending");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results_since(first) == "ok ok");
    CHECK(rig.order().substr(0, 7) == "3 flush"); // both share it
}

TEST_CASE("a running flush counts as in flight") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    CHECK(rig.map.in_flight() == 1);
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.map.in_flight() == 0);
}

TEST_CASE("a write acknowledged while a flush runs needs the next flush") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.io(1, Operation::write); // P3
    rig.device("P1").release();
    rig.scheduler.run();
    rig.order();
    rig.io(1, Operation::flush);
    CHECK(rig.order() == "3 flush");
}

TEST_CASE("a FUA write needs no flush of its own path, neither now nor later") {
    Rig rig(T1, independent);
    CHECK(rig.io(1, Operation::write, true) == "ok");
    CHECK(rig.order() == "1");
    rig.message("disable_group 1");
    rig.io(1, Operation::flush);
    CHECK(rig.order() == "1 flush"); // the one path any flush goes to
}

TEST_CASE("a FUA write answers after the other paths that were written to are flushed") {
    Written rig; // P1, P2
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::write, true); // P3
    CHECK(rig.results.back() == "pending");
    CHECK(rig.order() == "3 1 flush 2 flush");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results.back() == "ok");
}

TEST_CASE("a FUA write fails when another path lost what it held") {
    Written rig;
    rig.device("P3").holding = true;
    rig.io_and(1, Operation::write, true);
    rig.device("P1").lose_connection();
    rig.device("P3").release();
    rig.scheduler.run();
    CHECK(rig.results.back() == "EIO");
}

TEST_CASE("a flush with nothing unflushed is held and fails over like any request") {
    Rig rig(queueing(T2), independent);
    for (const char *name : {"P1", "P2"})
        rig.device(name).answer = block::Status::path_lost();
    CHECK(rig.io(1, Operation::flush) == "pending");
    CHECK(rig.order() == "1 flush 2 flush");
    CHECK(rig.map.held() == 1);
}

TEST_CASE("over a shared device a flush goes to one path") {
    Rig rig(T4);
    rig.io(3, Operation::write);
    rig.order();
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "2 flush");
}

TEST_CASE("caches that turn out to be independent are flushed, each, once") {
    Rig rig("0 0 1 1 round-robin 0 3 1 P1 1 P2 1 P3 1");
    rig.message("fail_path P2");
    rig.map.make_caches_independent();
    rig.map.make_caches_independent();
    CHECK(rig.map.options().independent_caches);
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush 3 flush");
}

TEST_CASE("over a shared device a lost path hurts no flush") {
    Rig rig(T4);
    rig.io(2, Operation::write);
    rig.device("P1").lose_connection();
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.io(1, Operation::write, true) == "ok");
}
