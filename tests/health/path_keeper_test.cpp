// SPDX-License-Identifier: BSD-3-Clause
// When the paths are settled, and which of them are the same disk (design D6).
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

TEST_CASE("paths are settled when every one has answered or failed to") {
    Rig rig;
    rig.a.come_up();
    CHECK(rig.settled == 0);
    rig.b.go_down();
    CHECK(rig.settled == 1);
    CHECK(rig.paths() == "AF");
    rig.b.come_up();
    CHECK(rig.settled == 1);
}

TEST_CASE("a path that came and went before the others answered is loaded failed") {
    Rig rig;
    rig.a.come_up();
    rig.a.go_down();
    CHECK(rig.settled == 0);
    rig.b.come_up();
    CHECK(rig.paths() == "FA");
}

TEST_CASE("the disk is what all paths agree on") {
    Rig rig;
    rig.a.disk = {.size = 1000000, .minimum_block = 512, .preferred_block = 4096, .maximum_payload = 1 << 20};
    rig.b.disk = {.size = 1000000, .minimum_block = 1, .preferred_block = 8192, .maximum_payload = 2 << 20};
    rig.both_up();
    REQUIRE(rig.known.size() == 1);
    CHECK(rig.known[0] ==
          block::Geometry{
              .size = 999936, .minimum_block = 512, .preferred_block = 8192, .maximum_payload = 1 << 20});
    CHECK(rig.map.geometry() == rig.known[0]);
    CHECK(rig.paths() == "AA");
}

TEST_CASE(
    "a path that cannot be written to is refused where others can, and makes the disk read-only alone") {
    Rig rig;
    rig.a.disk.read_only = true;
    SUBCASE("beside one that can") {
        rig.both_up();
        CHECK_FALSE(rig.map.geometry().read_only);
        CHECK(rig.paths() == "FA");
        REQUIRE(rig.bad_news.size() == 1);
        CHECK(rig.bad_news[0].find("path A is not this disk and will not be used: it is read-only") == 0);
    }
    SUBCASE("beside another one") {
        rig.b.disk.read_only = true;
        rig.both_up();
        CHECK(rig.map.geometry().read_only);
        CHECK(rig.paths() == "AA");
    }
}

TEST_CASE("without a stated size the first path of the table decides, whoever answers first") {
    Rig rig;
    rig.a.disk.size = 1 << 21;
    rig.b.come_up();
    rig.a.come_up();
    CHECK(rig.map.geometry().size == 1 << 21);
    CHECK(rig.paths() == "AF");
    REQUIRE(rig.bad_news.size() == 1);
    CHECK(rig.bad_news[0].find("path B is not this disk") == 0);
}

TEST_CASE("with a stated size larger paths are good, smaller ones are not") {
    Rig rig({.size = 1 << 19});
    rig.b.disk.size = (1 << 19) - 512;
    rig.both_up();
    CHECK(rig.map.geometry().size == 1 << 19);
    CHECK(rig.paths() == "AF");
}

TEST_CASE("a stated size stands before any path answered") {
    Rig rig({.size = 1 << 19});
    rig.a.go_down();
    rig.b.go_down();
    REQUIRE(rig.known.size() == 1);
    CHECK(rig.known[0].size == 1 << 19);
    CHECK(rig.paths() == "FF");
}

TEST_CASE("without a stated size the first path that answers later tells the disk") {
    Rig rig;
    rig.a.go_down();
    rig.b.go_down();
    CHECK(rig.known.empty());
    rig.b.come_up();
    rig.scheduler.run();
    CHECK(rig.map.geometry().size == 1 << 20);
    CHECK(rig.paths() == "FA");
}

TEST_CASE("a path of another disk does not decide what the right one must be like") {
    Rig rig({.size = 1 << 20});
    rig.a.disk.size = 1 << 19; // too small
    rig.b.disk.minimum_block = 512;
    rig.a.come_up();
    rig.b.go_down();
    CHECK(rig.paths() == "FF");
    rig.b.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    CHECK(rig.map.geometry().minimum_block == 512);
}

TEST_CASE("a path that comes back as another disk is not used") {
    const std::pair<block::Geometry, std::string> rows[] = {
        {{.size = 1 << 19}, "its size is"},
        {{.size = 1 << 21}, "its size is"},
        {{.size = 1 << 20, .minimum_block = 512}, "its block size is 512"},
        {{.size = 1 << 20, .maximum_payload = 1 << 20}, "its longest request is"},
        {{.size = 1 << 20, .read_only = true}, "it is read-only"},
    };
    for (const auto &row : rows) {
        const auto &[disk, text] = row;
        CAPTURE(row.second);
        Rig rig;
        rig.both_up();
        rig.a.go_down();
        rig.a.disk = disk;
        rig.a.come_up();
        rig.scheduler.advance(5s);
        CHECK(rig.paths() == "FA");
        CHECK(rig.bad_news.back().find(text) != std::string::npos);
        CHECK(rig.a.reads == 0);
        CHECK(rig.keeper.judge(rig.a).barred);
    }
}

TEST_CASE("a path that was another disk and comes back right is used") {
    Rig rig;
    rig.b.disk.size = 1 << 19;
    rig.both_up();
    CHECK(rig.paths() == "AF");
    rig.b.go_down();
    rig.b.disk.size = 1 << 20;
    rig.b.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("a read-only map takes read-only paths") {
    Rig rig({.size = {}, .read_only = true});
    rig.b.disk.read_only = true;
    rig.both_up();
    CHECK(rig.paths() == "AA");
    CHECK(rig.map.geometry().read_only);
}

TEST_CASE("a path of the familiar size is believed before the first of the table") {
    Rig rig;
    rig.b.disk.size = 1 << 21;
    rig.both_up();
    const std::vector<const backend::Backend *> backends{&rig.b, &rig.a};
    CHECK(health::disk_behind(backends, {}, {}).geometry.size == 1 << 21);
    CHECK(health::disk_behind(backends, {}, rig.map.geometry()).geometry.size == 1 << 20);
}

TEST_CASE("a path that no table has is neither probed nor complained of") {
    Rig rig;
    rig.both_up();
    fakes::FakeBackend other(rig.scheduler);
    other.disk.size = 1 << 10;
    rig.keeper.add("C", other);
    CHECK_FALSE(rig.keeper.settled(other));
    other.come_up();
    CHECK(rig.keeper.settled(other));
    CHECK(rig.keeper.judge(other).barred);
    rig.scheduler.advance(5s);
    CHECK(other.reads == 0);
    CHECK(rig.bad_news.empty());
    rig.keeper.remove(other);
}

TEST_CASE("a change of what a path is worth is told once, whatever the map does") {
    Rig rig;
    rig.both_up();
    rig.scheduler.run();
    CHECK(rig.checks.empty());
    rig.a.go_down();
    rig.a.go_down();
    CHECK(rig.checks == std::vector<std::string>{"A down"});
    rig.a.disk.size /= 2;
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.checks.back() == "A mismatch");
    rig.a.go_down();
    rig.a.disk.size *= 2;
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.checks == std::vector<std::string>{"A down", "A mismatch", "A down", "A up"});
}
