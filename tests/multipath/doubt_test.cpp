// SPDX-License-Identifier: BSD-3-Clause
// Writes that a path was given and did not answer (design D3), what a dead client left with a path (D5), and
// flushes that fail (D10).
#include "rig.hpp"

#include <doctest/doctest.h>

using block::Operation;
using namespace std::chrono_literals;

namespace {

const block::Status in_doubt{block::Outcome::path_in_doubt, ENOTCONN};

struct Waiter {
    void done(int) noexcept {}
    multipath::Ticket ticket{base::Delegate<int>::to<&Waiter::done>(*this)};
};

/// Two groups of one path. Path 1 has got a write of the first 4 KiB and does not answer it.
struct Stuck : Rig {
    explicit Stuck(multipath::AmbiguousWrites policy = multipath::AmbiguousWrites::hold,
                   Operation operation = Operation::write, const std::string &table = T2)
        : Rig(table, {.ambiguous_writes = policy}) {
        device("P1").holding = true;
        device("P1").lost = in_doubt;
        io_and(1, operation);
        order();
    }
    void lose() {
        device("P1").lose_connection();
        scheduler.run();
    }
};

} // namespace

TEST_CASE("a write in doubt goes to the next path at once, and newer ones of its range wait") {
    for (const Operation newer : {Operation::write, Operation::trim, Operation::write_zeroes}) {
        Stuck rig;
        rig.lose();
        CHECK(rig.results_since(0) == "ok");
        CHECK(rig.order() == "2");
        CHECK(rig.map.in_doubt() == 1);
        CHECK(rig.told("WRITE_IN_DOUBT path=P1 offset=0 length=4096") == 1);
        CHECK(rig.io(1, newer) == "pending");
        CHECK(rig.map.held() == 1);
        rig.scheduler.advance(4999ms);
        CHECK(rig.results_since(1) == "pending");
        rig.scheduler.advance(1ms);
        CHECK(rig.results_since(1) == "ok");
        CHECK(rig.map.in_doubt() == 0);
        CHECK(rig.map.held() == 0);
    }
}

TEST_CASE("reads of a range in doubt, flushes, and writes beside it do not wait") {
    Stuck rig;
    rig.lose();
    CHECK(rig.io(1, Operation::read) == "ok");
    CHECK(rig.io(1, Operation::flush) == "ok");
    rig.offset = 4096;
    CHECK(rig.io(1, Operation::write) == "ok");
    rig.offset = 4095;
    CHECK(rig.io(1, Operation::write) == "pending");
}

TEST_CASE("trims and zeroes can be in doubt as well, reads and flushes cannot") {
    for (const Operation operation : {Operation::trim, Operation::write_zeroes}) {
        Stuck rig(multipath::AmbiguousWrites::hold, operation);
        rig.lose();
        CHECK(rig.map.in_doubt() == 1);
    }
    for (const Operation operation : {Operation::read, Operation::flush}) {
        Stuck rig(multipath::AmbiguousWrites::hold, operation);
        rig.lose();
        CHECK(rig.results_since(0) == "ok");
        CHECK(rig.map.in_doubt() == 0);
    }
}

TEST_CASE("an answered error, or a write that ended with its server, leaves no doubt") {
    Stuck rig;
    rig.device("P1").lost = block::Status::path_lost();
    rig.lose();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.map.in_doubt() == 0);
}

TEST_CASE("the replay may itself end in doubt: its range is locked from then on") {
    Stuck rig(multipath::AmbiguousWrites::hold, Operation::write, T3);
    rig.device("P2").holding = true;
    rig.device("P2").lost = in_doubt;
    rig.lose();
    rig.scheduler.advance(3s);
    rig.device("P2").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.map.in_doubt() == 1);
    rig.io(1, Operation::write);
    rig.scheduler.advance(4999ms);
    CHECK(rig.results_since(1) == "pending");
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(1) == "ok");
}

TEST_CASE("a replay whose own lock has ended meanwhile is not held up by it") {
    Stuck rig(multipath::AmbiguousWrites::hold, Operation::write, queueing(T1));
    rig.lose();
    CHECK(rig.map.held() == 1);
    rig.scheduler.advance(6s);
    rig.device("P1").release();
    rig.message("reinstate_path P1");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("ambiguous_writes retry: dm-multipath's way, nothing waits") {
    Stuck rig(multipath::AmbiguousWrites::retry);
    rig.lose();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.map.in_doubt() == 0);
    CHECK(rig.io(1, Operation::write) == "ok");
}

TEST_CASE("ambiguous_writes fail: an error at once, and the range is locked all the same") {
    Stuck rig(multipath::AmbiguousWrites::fail);
    rig.lose();
    CHECK(rig.results_since(0) == "EIO");
    CHECK(rig.order().empty());
    CHECK(rig.io(1, Operation::write) == "pending");
    rig.scheduler.advance(5s);
    CHECK(rig.results_since(1) == "ok");
}

TEST_CASE("what waits for a range outlives fail_if_no_path, a suspend without flush and a new table") {
    Stuck rig;
    rig.lose();
    rig.io_and(1, Operation::write);
    rig.message("fail_if_no_path");
    CHECK(rig.results_since(1) == "pending");
    Waiter waiter;
    rig.map.suspend(waiter.ticket, true);
    rig.scheduler.run();
    CHECK(rig.map.suspended());
    rig.map.load(T1);
    rig.map.resume(waiter.ticket);
    rig.scheduler.run();
    CHECK_FALSE(rig.map.suspended());
    CHECK(rig.results_since(1) == "pending");
    CHECK(rig.map.in_doubt() == 1);
    rig.device("P1").release();
    rig.scheduler.advance(5s);
    CHECK(rig.results_since(1) == "ok");
}

TEST_CASE("a suspend with flush waits until the range is free") {
    Stuck rig;
    rig.lose();
    rig.io_and(1, Operation::write);
    Waiter waiter;
    rig.map.suspend(waiter.ticket, false);
    rig.scheduler.advance(4999ms);
    CHECK_FALSE(rig.map.suspended());
    rig.scheduler.advance(1ms);
    CHECK(rig.map.suspended());
    CHECK(rig.results_since(1) == "ok");
    rig.map.resume(waiter.ticket);
    rig.scheduler.run();
}

TEST_CASE("shutdown and the death of its client end what waits for a range") {
    Stuck rig;
    rig.lose();
    rig.io_and(1, Operation::write);
    SUBCASE("shutdown") { rig.map.shut_down(); }
    SUBCASE("death") { rig.drop_client(); }
    rig.scheduler.run();
    CHECK(rig.results_since(1) == "ESHUTDOWN");
    CHECK(rig.map.held() == 0);
}

TEST_CASE("what a dead client left with a path keeps newer writes of its range waiting") {
    Stuck rig;
    rig.drop_client();
    CHECK(rig.map.in_doubt() == 1);
    rig.client_gone = false; // another client
    rig.message("switch_group 2");
    CHECK(rig.io(1, Operation::read) == "ok");
    rig.io_and(1, Operation::write);
    rig.scheduler.advance(60s);
    CHECK(rig.results_since(2) == "pending");
    SUBCASE("until it has ended") {
        rig.device("P1").release();
        rig.scheduler.advance(0s);
        CHECK(rig.results_since(2) == "ok");
        CHECK(rig.map.in_doubt() == 0);
    }
    SUBCASE("and longer, when it ended in doubt") {
        rig.client_gone = true;
        rig.lose();
        CHECK(rig.results_since(0).substr(0, 9) == "ESHUTDOWN");
        rig.client_gone = false;
        rig.scheduler.advance(4999ms);
        CHECK(rig.results_since(2) == "pending");
        rig.scheduler.advance(1ms);
        CHECK(rig.results_since(2) == "ok");
    }
}

TEST_CASE("a flush or FUA write that a path answers with an error fails for everybody who was there") {
    for (const bool fua : {false, true}) {
        Rig rig(T2);
        rig.break_path("P1");
        CHECK(rig.io(1, fua ? Operation::write : Operation::flush, fua) == "EIO");
        CHECK(rig.order() == (fua ? "1" : "1 flush"));
        CHECK(rig.told("PATH_FAILED path=P1 nr_valid=1 seq=1") == 1);
        CHECK(rig.io(1, Operation::write) == "ok");
        CHECK(rig.io(1, Operation::flush) == "EIO");
        CHECK(rig.io(1, Operation::write, true) == "EIO");
        rig.client_epoch = rig.map.generation();
        CHECK(rig.io(1, Operation::flush) == "ok");
    }
}

TEST_CASE("a flush that was held or on its way when another one failed fails too") {
    Rig rig("0 0 1 1 round-robin 0 2 1 P1 1 P2 1");
    rig.device("P2").holding = true;
    rig.break_path("P1");
    rig.io_and(1, Operation::read); // P1 is next to fail: the flush goes to P2
    rig.repair_path("P1");
    rig.message("reinstate_path P1");
    rig.io_and(2, Operation::flush);
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.results_since(1) == "ok ok");
    rig.device("P2").holding = true;
    rig.break_path("P1");
    rig.io_and(2, Operation::flush);
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.results_since(3) == "EIO EIO");
}

TEST_CASE("a flush whose connection was lost goes to another path of a shared device") {
    Rig rig(T2);
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("under compat: kernel a failed flush goes to another path") {
    multipath::MapOptions options;
    options.rules.compat = &multipath::kernel;
    Rig rig(T2, options);
    rig.break_path("P1");
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush 2 flush");
}

namespace {

const block::Status unfenced{block::Outcome::path_unfenced, ETIMEDOUT};

/// Path 1 is lost, and could not be cut off.
struct Unfenced : Stuck {
    explicit Unfenced(multipath::AmbiguousWrites policy = multipath::AmbiguousWrites::hold)
        : Stuck(policy) {
        device("P1").lost = unfenced;
        lose();
    }
};

} // namespace

TEST_CASE("a write that could not be fenced fails, and so do newer ones of its range, until it is") {
    Unfenced rig;
    CHECK(rig.results_since(0) == "EIO");
    CHECK(rig.order().empty());
    CHECK(rig.told("WRITE_IN_DOUBT path=P1 offset=0 length=4096") == 1);
    for (const Operation newer : {Operation::write, Operation::trim, Operation::write_zeroes})
        CHECK(rig.io(1, newer) == "EIO");
    CHECK(rig.io(1, Operation::read) == "ok");
    rig.scheduler.advance(1h);
    CHECK(rig.io(1, Operation::write) == "EIO");
    rig.offset = 4096;
    CHECK(rig.io(1, Operation::write) == "ok");
    rig.offset = 0;
    CHECK(rig.map.in_doubt() == 1);
    rig.map.path_fenced(rig.device("P2"));
    rig.scheduler.run();
    CHECK(rig.io(1, Operation::write) == "EIO");
    rig.map.path_fenced(rig.device("P1"));
    rig.scheduler.advance(0ms);
    CHECK(rig.map.in_doubt() == 0);
    CHECK(rig.io(1, Operation::write) == "ok");
}

TEST_CASE("who waits for the end of a write in doubt is refused when it turns out to be unfenced") {
    Stuck rig;
    rig.device("P1").lost = unfenced;
    rig.drop_client();
    rig.client_gone = false; // another client
    rig.message("switch_group 2");
    CHECK(rig.io(1, Operation::write) == "pending");
    rig.lose();
    rig.scheduler.advance(0s);
    CHECK(rig.results_since(1) == "EIO");
    CHECK(rig.map.held() == 0);
}

TEST_CASE("when the path of a write that was not fenced is removed its range opens in the time of a hold") {
    Unfenced rig;
    rig.map.path_removed(rig.device("P1"));
    rig.io(1, Operation::write);
    rig.scheduler.advance(4999ms);
    CHECK(rig.results_since(1) == "pending");
    rig.scheduler.advance(1ms);
    CHECK(rig.results_since(1) == "ok");
}

TEST_CASE("with `retry` nothing is shut, fenced or not") {
    Unfenced rig(multipath::AmbiguousWrites::retry);
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.io(1, Operation::write) == "ok");
}
