// SPDX-License-Identifier: BSD-3-Clause
// A path that answers again is probed, then reinstated.
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

TEST_CASE("a lost path fails at once") {
    Rig rig;
    rig.both_up();
    rig.a.go_down();
    CHECK(rig.paths() == "FA");
    CHECK(rig.bad_news.back() == "path A is lost: gone");
}

TEST_CASE("a path that is back is reinstated after one good read, not before") {
    Rig rig;
    rig.both_up();
    rig.a.go_down();
    rig.a.holding = true;
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    CHECK(rig.a.reads == 1);
    rig.a.release();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(rig.news.back() == "path A is connected and reads");
}

TEST_CASE("a path that is back and does not read is probed every second until it does") {
    Rig rig;
    rig.both_up();
    rig.a.go_down();
    rig.a.answer = block::Status::path_error(EIO);
    rig.a.come_up();
    rig.scheduler.advance(3s);
    CHECK(rig.a.reads == 4);
    CHECK(rig.paths() == "FA");
    rig.a.answer = block::Status::success();
    rig.scheduler.advance(1s);
    CHECK(rig.paths() == "AA");
    rig.scheduler.advance(5s);
    CHECK(rig.a.reads == 5);
    CHECK(rig.scheduler.idle());
}

TEST_CASE("a path that failed while its backend stays up is probed every second until it reads") {
    Rig rig;
    rig.both_up();
    rig.a.answer = block::Status::path_error(EIO);
    rig.map.path_lost(rig.a); // as an I/O error does
    rig.scheduler.advance(999ms);
    CHECK(rig.a.reads == 0);
    rig.scheduler.advance(1001ms);
    CHECK(rig.a.reads == 2);
    rig.a.answer = block::Status::success();
    rig.scheduler.advance(1s);
    CHECK(rig.paths() == "AA");
    CHECK(rig.b.reads == 0);
}

TEST_CASE("an answer that says no is an answer") {
    Rig rig;
    rig.both_up();
    rig.a.go_down();
    rig.a.answer = block::Status::target_error(EIO);
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("a path lost again during its probe is not reinstated") {
    Rig rig;
    rig.both_up();
    rig.a.go_down();
    rig.a.holding = true;
    rig.a.come_up();
    rig.a.go_down();
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FA");
    rig.a.holding = false;
    rig.a.come_up();
    rig.scheduler.advance(1s);
    CHECK(rig.paths() == "AA");
}

TEST_CASE("with reinstate: manual a path that is back stays failed") {
    Rig rig({.size = {}, .reinstate = false});
    rig.both_up();
    rig.a.go_down();
    rig.a.come_up();
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FA");
    CHECK(rig.scheduler.idle());
}

TEST_CASE("a path failed by message is not brought back") {
    Rig rig;
    rig.both_up();
    rig.message({"fail_path", "A"});
    rig.scheduler.advance(5s);
    rig.a.go_down();
    rig.a.come_up();
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FA");
    rig.message({"reinstate_path", "A"});
    CHECK(rig.paths() == "AA");
}

TEST_CASE("a disk without a byte needs no probe") {
    Rig rig;
    rig.a.disk.size = rig.b.disk.size = 0;
    rig.both_up();
    rig.a.go_down();
    rig.a.come_up();
    CHECK(rig.paths() == "AA");
    CHECK(rig.a.reads == 0);
}

TEST_CASE("a probe is one block that the disk can read") {
    const auto probe_of = [](std::uint64_t size, std::uint32_t block) {
        Rig rig;
        rig.a.disk.size = rig.b.disk.size = size;
        rig.a.disk.minimum_block = rig.b.disk.minimum_block = block;
        rig.both_up();
        rig.a.go_down();
        rig.a.come_up();
        rig.scheduler.run();
        CHECK(rig.paths() == "AA");
        return rig.a.last_length;
    };
    CHECK(probe_of(1 << 20, 512) == 4096);
    CHECK(probe_of(1 << 20, 65536) == 65536);
    CHECK(probe_of(100, 1) == 100);
    CHECK(probe_of(1000, 512) == 512);
}

TEST_CASE("after stop nothing is probed or reinstated") {
    Rig rig;
    rig.both_up();
    rig.a.go_down();
    rig.a.holding = true;
    rig.a.come_up();
    rig.keeper.stop();
    rig.a.release();
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FA");
    rig.b.go_down();
    rig.b.come_up();
    rig.scheduler.advance(5s);
    CHECK(rig.paths() == "FF");
    CHECK(rig.scheduler.idle());
}
