// SPDX-License-Identifier: BSD-3-Clause
// Paths with caches of their own (design D4, D10): one carries, what it may lose is kept and done again.
#include "rig.hpp"

#include <doctest/doctest.h>

using block::Operation;
using block::Status;

namespace {

const multipath::MapOptions independent{.independent_caches = true};

/// P1 carries; writes of 'a' to block 0 and 'b' to block 1 are acknowledged and not flushed.
struct Written : Rig {
    explicit Written(const std::string &table = queueing(T2), multipath::MapOptions options = independent)
        : Rig(table, options) {
        for (const char *name : {"P1", "P2", "P3"})
            device(name).tells_data = true;
        write(0, 'a');
        write(1, 'b');
        order();
    }
    std::string write(std::uint64_t block, char with, bool fua = false) {
        offset = block * 4096;
        fill = with;
        return io(1, Operation::write, fua);
    }
    /// The server ends; the map hears of it.
    void kill(const std::string &name) {
        device(name).dead = true;
        cut_off(name);
    }
    void cut_off(const std::string &name) {
        device(name).lose_connection();
        map.path_lost(device(name));
        scheduler.run();
    }
};

} // namespace

TEST_CASE("at the start every path is flushed, and no client's flush has to") {
    Rig rig(T2);
    rig.map.make_caches_independent();
    rig.scheduler.run();
    CHECK(rig.order() == "1 flush 2 flush");
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush");
}

TEST_CASE("nothing is sent before these flushes have ended") {
    Rig rig(T2);
    rig.device("P2").holding = true;
    rig.map.make_caches_independent();
    rig.io_and(1);
    CHECK(rig.order() == "1 flush 2 flush");
    CHECK(rig.results.back() == "pending");
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.order() == "1");
    CHECK(rig.results.back() == "ok");
}

TEST_CASE("a path that is reached later is flushed when it comes") {
    Rig rig(T2, independent, {"P2"});
    rig.map.path_answers(rig.device("P2"));
    rig.scheduler.run();
    CHECK(rig.order() == "2 flush");
    rig.message("fail_path P2");
    rig.message("reinstate_path P2");
    CHECK(rig.order() == "");
}

TEST_CASE("a flush goes to the one path that carries") {
    Written rig;
    CHECK(rig.map.unflushed() > 2 * 4096);
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush");
    CHECK(rig.map.unflushed() == 0);
}

TEST_CASE("what a dead server had not flushed is done again, in order, before anything else goes on") {
    Written rig;
    rig.write(0, 'c');
    rig.order();
    rig.kill("P1");
    CHECK(rig.order() == "");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "2 0=a 2 1=b 2 0=c 2");
    CHECK(rig.map.unflushed() > 3 * 4096); // they are in another cache now
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "2 flush");
    CHECK(rig.map.unflushed() == 0);
}

TEST_CASE("overlapping changes are done again one after the other") {
    Written rig;
    rig.write(0, 'c');
    rig.device("P2").holding = true;
    rig.kill("P1");
    rig.order();
    rig.io_and(1);
    CHECK(rig.order() == "2 0=a 2 1=b");
    CHECK(rig.results.back() == "pending");
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.order() == "2 0=c 2");
    CHECK(rig.results.back() == "ok");
}

TEST_CASE("reads wait, too, while what is kept is done again") {
    Written rig;
    rig.device("P2").holding = true;
    rig.kill("P1");
    rig.io_and(3);
    CHECK(rig.map.held() == 3);
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.map.held() == 0);
    CHECK(rig.results.back() == "ok");
}

TEST_CASE("zeroes and trims are kept like writes") {
    Written rig;
    rig.offset = 4096;
    rig.io(1, Operation::trim);
    rig.offset = 8192;
    rig.io(1, Operation::write_zeroes);
    rig.kill("P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2 0=a 2 1=b 2 trim 1 2 zero 2 2");
}

TEST_CASE("a flushed write is never done again") {
    Written rig;
    rig.io(1, Operation::flush);
    rig.write(2, 'd');
    rig.kill("P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2 2=d 2");
}

TEST_CASE("a write that was acknowledged after the flush was sent is kept") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.submit(1, Operation::write);
    rig.device("P1").release(); // the write later than the flush
    rig.scheduler.run();
    CHECK(rig.map.unflushed() != 0);
    CHECK(rig.map.unflushed() < 2 * 4096);
}

TEST_CASE("a FUA write cuts its range out of what is kept") {
    Written rig(queueing(T2));
    rig.offset = 0;
    rig.length = 4 * 4096;
    rig.fill = 'm';
    rig.io(1, Operation::write);
    rig.length = 4096;
    rig.write(2, 'F', true); // out of the middle
    rig.kill("P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2 0=a 2 1=b 2 0=m*2 2 3=m 2");
}

TEST_CASE("a FUA write cuts nothing out of what was acknowledged after it was sent") {
    Written rig(queueing(T2));
    rig.device("P1").holding = true;
    rig.offset = 0;
    rig.fill = 'F';
    rig.io_and(1, Operation::write, true);
    rig.device("P1").holding = false;
    rig.write(0, 'n'); // perhaps later than the other at the disk, perhaps not
    CHECK(rig.results.back() == "ok");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results_since(2) == "ok ok");
    rig.kill("P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2 1=b 2 0=n 2");
}

TEST_CASE("cutting takes front, end or all of what is kept") {
    Written rig;
    rig.offset = 4 * 4096;
    rig.length = 3 * 4096;
    rig.fill = 'm';
    rig.io(1, Operation::write);
    rig.length = 4096;
    rig.write(4, 'F', true);
    rig.write(6, 'F', true);
    rig.write(0, 'F', true);
    rig.kill("P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2 1=b 2 5=m 2");
}

TEST_CASE("the same server started again is given what it lost") {
    Written rig(queueing(T1));
    rig.kill("P1");
    rig.io_and(1);
    CHECK(rig.results.back() == "pending");
    rig.map.path_answers(rig.device("P1"));
    rig.scheduler.run();
    CHECK(rig.results.back() == "ok");
    CHECK(rig.order() == "1 0=a 1 1=b 1");
}

TEST_CASE("a restart that nobody told of is noticed at the next request") {
    Written rig(queueing(T1));
    rig.device("P1").lose_connection();
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 0=a 1 1=b 1");
}

TEST_CASE("what is kept outlives a time without any path") {
    Written rig(T2);
    rig.kill("P1");
    rig.kill("P2");
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.io(1, Operation::flush) == "EIO");
    rig.map.path_answers(rig.device("P2"));
    rig.order();
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "2 0=a 2 1=b 2 flush");
}

TEST_CASE("the next path takes over when the first one fails during it") {
    Written rig(queueing(T3));
    rig.device("P2").holding = true;
    rig.kill("P1");
    rig.io_and(1);
    rig.order();
    rig.kill("P2");
    CHECK(rig.order() == "3 0=a 3 1=b 3");
    CHECK(rig.results.back() == "ok");
}

TEST_CASE("a live path is drained and flushed before another one carries") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(1); // in flight
    rig.message("switch_group 2");
    rig.order();
    rig.io_and(1);
    CHECK(rig.order() == "");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.order() == "1 flush 2");
    CHECK(rig.map.unflushed() == 0);
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 0);
}

TEST_CASE("a path that a message failed is flushed, too") {
    Written rig;
    rig.message("fail_path P1");
    rig.io(1);
    CHECK(rig.order() == "1 flush 2");
}

TEST_CASE("a live path that fails this flush is left, and what is kept done again") {
    Written rig;
    rig.message("switch_group 2");
    rig.break_path("P1");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 flush 2 0=a 2 1=b 2");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 1);
}

TEST_CASE("a path that was left dirty and is not proven dead comes back by hand only") {
    Written rig;
    rig.cut_off("P1");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 1);
    CHECK(rig.map.statistics()[0].why_failed == "quarantined");
    CHECK_FALSE(rig.map.wants_back(rig.device("P1")));
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.map.live_table()->valid_paths() == 1);
    CHECK(rig.message("reinstate_path P1") == "ok");
    CHECK(rig.map.live_table()->valid_paths() == 2);
    CHECK(rig.map.statistics()[0].why_failed.empty());
}

TEST_CASE("quarantine ends when the server is proven dead later") {
    Written rig;
    rig.cut_off("P1");
    rig.io(1);
    rig.device("P1").dead = true; // its fence has ended
    CHECK(rig.map.wants_back(rig.device("P1")));
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.map.live_table()->valid_paths() == 2);
}

TEST_CASE("an old death proves nothing of a path that lives") {
    Written rig;
    rig.device("P1").dead = true;
    rig.device("P1").lose_connection();
    rig.io(1);
    rig.message("switch_group 2");
    rig.break_path("P1");
    rig.io(1);
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 1);
}

TEST_CASE("a path that comes back before another one has carried anything is not quarantined") {
    Written rig(queueing(T1));
    rig.cut_off("P1");
    rig.io_and(1);
    rig.map.path_answers(rig.device("P1"));
    rig.scheduler.run();
    CHECK(rig.results.back() == "ok");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 0);
}

TEST_CASE("a clean path that is lost may come back") {
    Written rig;
    rig.io(1, Operation::flush);
    rig.cut_off("P1");
    rig.io(1);
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 0);
}

TEST_CASE("a write in doubt leaves its path in quarantine") {
    Written rig;
    rig.io(1, Operation::flush);
    rig.device("P1").lost = {block::Outcome::path_in_doubt, ENOTCONN};
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::write);
    rig.cut_off("P1");
    CHECK(rig.results.back() == "ok");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 1);
}

TEST_CASE("a path that has failed while it was given what is kept is quarantined like the first") {
    Written rig(queueing(T3));
    rig.device("P2").lost = {block::Outcome::path_in_doubt, ENOTCONN};
    rig.device("P2").holding = true;
    rig.kill("P1");
    rig.io_and(1);
    rig.cut_off("P2");
    CHECK(rig.results.back() == "ok");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 0);
    CHECK(rig.told("PATH_QUARANTINED path=P2") == 1);
    CHECK(rig.map.in_doubt() == 2); // what is newer waits
}

TEST_CASE(
    "a change that was answered with an error may be in the cache: its path is flushed when it is left") {
    Written rig;
    rig.io(1, Operation::flush);
    bool flushes = false;
    SUBCASE("which succeeds") { flushes = true; }
    SUBCASE("which fails") {}
    rig.device("P1").verdict = [flushes](const block::Request &request) {
        const bool fine = flushes && request.operation == Operation::flush;
        return fine ? Status::success() : Status::path_error(EIO);
    };
    rig.order();
    CHECK(rig.write(2, 'c') == "ok");
    CHECK(rig.order() == "1 2=c 1 flush 2 2=c");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == (flushes ? 0 : 1));
}

TEST_CASE("a path that turns out to be another disk is not given what is kept") {
    Written rig(queueing(T3));
    rig.device("P1").holding = true;
    rig.io_and(1); // in flight
    rig.message("switch_group 2");
    rig.io_and(1); // waits for P2 to take over
    rig.map.bar(rig.device("P2"), true);
    rig.order();
    rig.kill("P1");
    CHECK(rig.order() == "3 0=a 3 1=b 3 3");
}

TEST_CASE("flushes that wait for the running one end at the shutdown") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(3, Operation::flush);
    rig.map.shut_down();
    rig.scheduler.run();
    CHECK(rig.results_since(rig.results.size() - 3) == "pending ESHUTDOWN ESHUTDOWN");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results_since(rig.results.size() - 3) == "ok ESHUTDOWN ESHUTDOWN");
}

TEST_CASE("a flush that its server answers with an error succeeds on another one that has everything") {
    Written rig;
    rig.device("P1").verdict = [](const block::Request &request) {
        return request.operation == Operation::flush ? Status::path_error(EIO) : Status::success();
    };
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 flush 2 0=a 2 1=b 2 flush");
}

TEST_CASE("with no other path that is an error, for everybody who was there, until they connect again") {
    Written rig(queueing(T1));
    rig.break_path("P1");
    CHECK(rig.io(1, Operation::flush) == "EIO");
    rig.repair_path("P1");
    rig.map.path_answers(rig.device("P1"));
    CHECK(rig.io(1, Operation::flush) == "EIO");
    rig.client_epoch = rig.map.generation();
    rig.order();
    CHECK(rig.io(1, Operation::flush) == "ok");
    CHECK(rig.order() == "1 0=a 1 1=b 1 flush"); // nobody knows what became of it there
}

TEST_CASE("a flush is worth nothing when its server failed another one meanwhile") {
    multipath::MapOptions options = independent;
    options.unflushed_limit = 0; // our own flush runs for a write
    Written rig(queueing(T2), options);
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush); // a client's
    rig.device("P1").holding = false;
    rig.device("P1").verdict = [](const block::Request &request) {
        return request.operation == Operation::flush ? Status::path_error(EIO) : Status::success();
    };
    rig.write(2, 'c');
    rig.device("P1").release();
    rig.order();
    rig.scheduler.run();
    CHECK(rig.results[2] == "ok");
    CHECK(rig.order() == "2 2=c 2 flush 2 flush"); // ours for the write, and the client's
}

TEST_CASE("flushes that come while one runs share the next") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(4, Operation::flush);
    CHECK(rig.order() == "1 flush");
    CHECK(rig.map.in_flight() == 4);
    rig.device("P1").release();
    rig.device("P1").holding = true;
    rig.scheduler.run();
    CHECK(rig.order() == "1 flush");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.order() == "");
    CHECK(rig.results_since(rig.results.size() - 4) == "ok ok ok ok");
}

TEST_CASE("flushes that wait for one whose server dies go to the next server") {
    Written rig;
    rig.device("P1").holding = true;
    rig.io_and(3, Operation::flush);
    rig.order();
    rig.kill("P1");
    CHECK(rig.results_since(rig.results.size() - 3) == "ok ok ok");
    CHECK(rig.order().starts_with("2 0=a 2 1=b 2 flush"));
}

TEST_CASE("a flush that a restarted server answered covers nothing") {
    Written rig(queueing(T1));
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::flush);
    rig.device("P1").release();
    rig.device("P1").lose_connection(); // before the answer is delivered
    rig.order();
    rig.scheduler.run();
    rig.map.path_answers(rig.device("P1"));
    rig.scheduler.run();
    CHECK(rig.order() == "1 0=a 1 1=b 1 flush");
    CHECK(rig.results.back() == "ok");
}

TEST_CASE("at a quarter of its bound what is kept is flushed by ourselves") {
    multipath::MapOptions options = independent;
    options.unflushed_limit = 20 * 4096;
    Written rig(queueing(T2), options);
    for (char block = 2; block < 5; ++block)
        rig.write(static_cast<std::uint64_t>(block), 'c');
    CHECK(rig.order() == "1 2=c 1 3=c 1 4=c 1 flush");
    CHECK(rig.map.unflushed() == 0);
}

TEST_CASE("a write that there is no room for is acknowledged by the flush that covers it") {
    multipath::MapOptions options = independent;
    options.unflushed_limit = 4000;
    Written rig(queueing(T2), options);
    rig.device("P1").holding = true;
    rig.io_and(2, Operation::write);
    rig.device("P1").release();
    rig.device("P1").verdict = [&rig](const block::Request &request) {
        if (request.operation == Operation::flush)
            CHECK(rig.results.back() == "pending");
        return Status::success();
    };
    rig.order();
    rig.scheduler.run();
    CHECK(rig.order() == "1 flush 1 flush"); // the second was done after the first flush had been sent
    CHECK(rig.results_since(rig.results.size() - 2) == "ok ok");
    CHECK(rig.map.unflushed() == 0);
}

TEST_CASE("a write that was to be acknowledged by a flush is done whole again when its server dies") {
    multipath::MapOptions options = independent;
    options.unflushed_limit = 0;
    Written rig(queueing(T2), options);
    rig.device("P1").verdict = [&rig](const block::Request &request) {
        if (request.operation == Operation::flush) {
            rig.device("P1").lose_connection();
            return Status::path_lost();
        }
        return Status::success();
    };
    CHECK(rig.write(3, 'd') == "ok");
    CHECK(rig.order() == "1 3=d 1 flush 2 3=d 2 flush");
}

TEST_CASE("what was done and could not be kept leaves its path in quarantine") {
    multipath::MapOptions options = independent;
    options.unflushed_limit = 0;
    Written rig(queueing(T2), options);
    rig.device("P1").holding = true;
    rig.io_and(1, Operation::write);
    rig.device("P1").release();
    rig.device("P1").holding = true; // the flush hangs
    rig.scheduler.run();
    rig.cut_off("P1");
    CHECK(rig.results.back() == "ok");
    CHECK(rig.told("PATH_QUARANTINED path=P1") == 1);
}

TEST_CASE("without memory for it every write waits for a flush") {
    Written rig;
    rig.io(1, Operation::flush);
    rig.order();
    std::vector<std::byte *> taken;
    while (std::byte *buffer = rig.buffers.take(4096))
        taken.push_back(buffer);
    CHECK(rig.write(2, 'c') == "ok");
    CHECK(rig.order() == "1 2=c 1 flush");
    for (std::byte *buffer : taken)
        rig.buffers.give_back(buffer, 4096);
}

TEST_CASE("a buffer of the pool is kept as it is, without a copy") {
    Written rig;
    const std::size_t before = rig.map.unflushed();
    std::byte *buffer = rig.buffers.take(4096);
    std::fill_n(buffer, 4096, std::byte('p'));
    rig.submit_pooled(buffer);
    rig.scheduler.run();
    CHECK(rig.results.back() == "ok");
    CHECK(rig.map.unflushed() > before);
    rig.kill("P1");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2 0=a 2 1=b 2 1=p 2");
    rig.io(1, Operation::flush);
    CHECK(rig.buffers.used() == 0);
}

TEST_CASE("a suspend flushes first, and the next table finds nothing kept") {
    Written rig;
    struct Ended {
        void done(int) noexcept { ++count; }
        int count = 0;
    } ended;
    multipath::Ticket suspend{base::Delegate<int>::to<&Ended::done>(ended)};
    rig.map.suspend(suspend, false);
    rig.scheduler.run();
    CHECK(ended.count == 1);
    CHECK(rig.order() == "1 flush");
    CHECK(rig.map.unflushed() == 0);
}

TEST_CASE("a suspend with a dead server first does what is kept again elsewhere") {
    Written rig;
    rig.kill("P1");
    struct Ended {
        void done(int) noexcept { ++count; }
        int count = 0;
    } ended;
    multipath::Ticket suspend{base::Delegate<int>::to<&Ended::done>(ended)};
    rig.map.suspend(suspend, true);
    rig.scheduler.run();
    CHECK(ended.count == 1);
    CHECK(rig.order() == "2 0=a 2 1=b 2 flush");
}

TEST_CASE("a suspend without any path ends, and what is kept stays") {
    Written rig;
    rig.kill("P1");
    rig.kill("P2");
    struct Ended {
        void done(int) noexcept { ++count; }
        int count = 0;
    } ended;
    multipath::Ticket suspend{base::Delegate<int>::to<&Ended::done>(ended)};
    rig.map.suspend(suspend, true);
    rig.scheduler.run();
    CHECK(ended.count == 1);
    CHECK(rig.map.unflushed() != 0);
}

TEST_CASE("the end flushes") {
    Written rig;
    struct Ended {
        void done() noexcept { ++count; }
        int count = 0;
    } ended;
    rig.map.shut_down();
    rig.map.flush_at_end(base::Delegate<>::to<&Ended::done>(ended));
    rig.scheduler.run();
    CHECK(ended.count == 1);
    CHECK(rig.order() == "1 flush");
}

TEST_CASE("a map that is read-only has no use for any of this") {
    Rig rig("0 0 1 1 round-robin 0 2 1 P1 1 P2 1");
    rig.map.set_geometry({.size = 1 << 20, .read_only = true});
    rig.map.make_caches_independent();
    CHECK(rig.io(4) == "ok ok ok ok");
    CHECK(rig.order() == "1 2 1 2");
}
