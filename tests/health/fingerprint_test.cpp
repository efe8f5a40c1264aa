// SPDX-License-Identifier: BSD-3-Clause
// The disk is known by what stands on it and by what its server says it is (design D6).
#include "base/error.hpp"
#include "rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace {

constexpr std::byte one{1};
constexpr std::byte two{2};
const std::string sha256_of_ones = "3431383721510cf1c211de027cf958c183e16db5fabb6b230eb284c85e196aa9";

health::Expected marked(std::string sha256 = {}) {
    return {.size = {}, .fingerprint = {{0, 4096, std::move(sha256)}}};
}

bool complained(const Rig &rig, std::string_view of) {
    return !rig.bad_news.empty() && rig.bad_news.back().find(of) != std::string::npos;
}

} // namespace

TEST_CASE("paths with the same fingerprint are used, and nothing else is read twice") {
    Rig rig(marked());
    rig.a.content = rig.b.content = one;
    rig.both_up();
    CHECK(rig.paths() == "AA");
    CHECK(rig.a.reads == 1);
    CHECK(rig.bad_news.empty());
    CHECK(rig.scheduler.idle());
}

TEST_CASE("without a stated hash the first path of the table decides, whoever answers first") {
    Rig rig(marked());
    rig.a.content = one;
    rig.b.content = two;
    rig.b.come_up();
    rig.scheduler.run();
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "AF");
    CHECK(complained(rig, "path B is not this disk and will not be used: the SHA-256 of 0+4096 is"));
    CHECK(rig.checks == std::vector<std::string>{"B mismatch"});
}

TEST_CASE("a stated hash decides against whichever path has another") {
    Rig rig(marked(sha256_of_ones));
    rig.a.content = two;
    rig.b.content = one;
    rig.both_up();
    CHECK(rig.paths() == "FA");
    CHECK(complained(rig, "the map's is " + sha256_of_ones));
}

TEST_CASE("a path that comes back with another fingerprint is not used, also not by hand before it is read") {
    Rig rig(marked());
    rig.both_up();
    rig.a.go_down();
    rig.message({"reinstate_path", "A"}); // it would be used as soon as it is there
    CHECK(rig.paths() == "AA");
    rig.a.content = two;
    rig.a.holding = true;
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    CHECK(rig.keeper.judge(rig.a).barred);
    rig.a.release();
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    CHECK(complained(rig, "path A is not this disk"));
    CHECK_THROWS_AS(rig.message({"reinstate_path", "A"}), base::Error);
}

TEST_CASE("a path that comes back the same is used") {
    Rig rig(marked());
    rig.both_up();
    rig.a.go_down();
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("a path that had not failed is back once it is verified, also with reinstate: manual") {
    health::Expected expected = marked();
    expected.reinstate = false;
    Rig rig(expected);
    rig.both_up();
    rig.a.go_down();
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    rig.a.go_down();
    rig.message({"reinstate_path", "A"});
    rig.a.come_up();
    CHECK(rig.paths() == "FA");
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
}

TEST_CASE("a fingerprint that cannot be read keeps a path out, and is tried again") {
    Rig rig(marked());
    rig.a.answer = block::Status::target_error(EIO);
    rig.both_up();
    CHECK(rig.settled == 1);
    CHECK(rig.paths() == "FA");
    CHECK(complained(rig, "path A is not used: its fingerprint cannot be read"));
    rig.scheduler.advance(3s);
    CHECK(rig.bad_news.size() == 1);
    rig.a.answer = {};
    rig.scheduler.advance(1s);
    CHECK(rig.paths() == "AA");
    CHECK(rig.scheduler.idle());
}

TEST_CASE("a connection lost while its fingerprint is read says nothing of the next one") {
    Rig rig(marked());
    rig.both_up();
    rig.a.go_down();
    rig.a.holding = true;
    rig.a.content = two;
    rig.a.come_up();
    rig.a.go_down();
    rig.a.holding = false;
    rig.a.content = {};
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "AA");
    CHECK(rig.bad_news == std::vector<std::string>{"path A is lost: gone"});
}

TEST_CASE("a fingerprint is read in whole blocks, piece by piece") {
    Rig rig({.size = {}, .fingerprint = {{512, 512}, {0, 200 << 10}}});
    rig.a.disk.minimum_block = rig.b.disk.minimum_block = 4096;
    rig.both_up();
    CHECK(rig.paths() == "AA");
    CHECK(rig.a.offsets == std::vector<std::uint64_t>{0, 0, 64 << 10, 128 << 10, 192 << 10});
    CHECK(rig.a.last_length == 8 << 10);
}

TEST_CASE("a disk that ends before its fingerprint is another one") {
    Rig rig({.size = {}, .fingerprint = {{1 << 20, 512}}});
    rig.b.disk.size = (1 << 20) + 512;
    rig.both_up();
    CHECK(rig.paths() == "FA");
    CHECK(complained(rig, "path A is not this disk and will not be used: its size"));
    CHECK(rig.map.geometry().size == (1 << 20) + 512);
}

TEST_CASE("what was learned is corrected by hand, what was stated is not") {
    for (const bool stated : {false, true}) {
        CAPTURE(stated);
        Rig rig(marked(stated ? sha256_of_ones : ""));
        rig.a.content = rig.b.content = one;
        rig.both_up();
        rig.a.go_down();
        rig.a.content = two;
        rig.a.come_up();
        rig.scheduler.run();
        CHECK(rig.paths() == "FA");
        rig.keeper.accept("A");
        CHECK(rig.keeper.judge(rig.a).barred == stated);
        if (stated)
            continue;
        rig.message({"reinstate_path", "A"});
        CHECK(rig.paths() == "AA");
        rig.b.go_down();
        rig.b.content = two;
        rig.b.come_up();
        rig.scheduler.run();
        CHECK(rig.paths() == "AA");
    }
}

TEST_CASE("the disk of a table is the map's as long as one of its paths is, or somebody uses it") {
    Rig rig(marked());
    rig.a.content = one;
    rig.b.content = two;
    rig.both_up();
    const auto tells = [&rig](const health::PathKeeper::Backends &paths, bool fixed) {
        return rig.keeper.fingerprint_of(paths, fixed).front().sha256;
    };
    const std::string now = tells({&rig.a}, true);
    CHECK(now == sha256_of_ones);
    CHECK(tells({&rig.b, &rig.a}, false) == now);
    CHECK(tells({&rig.b}, true) == now);
    CHECK(tells({&rig.b}, false) != now);
}

TEST_CASE("a server that says it is another one at a reconnect is not used until somebody says so") {
    Rig rig;
    rig.a.says = "export 'disk' (one)";
    rig.both_up();
    rig.a.go_down();
    rig.a.says = "export 'disk' (two)";
    rig.a.come_up();
    rig.scheduler.run();
    CHECK(rig.paths() == "FA");
    CHECK(complained(rig, "its server now offers export 'disk' (two), and before export 'disk' (one)"));
    CHECK(rig.a.reads == 0);
    SUBCASE("by hand") {
        rig.keeper.accept("A");
        rig.message({"reinstate_path", "A"});
    }
    SUBCASE("because it is the old one again") {
        rig.a.go_down();
        rig.a.says = "export 'disk' (one)";
        rig.a.come_up();
        rig.scheduler.run();
    }
    SUBCASE("because it does not say any more") {
        rig.a.go_down();
        rig.a.says.clear();
        rig.a.come_up();
        rig.scheduler.run();
    }
    CHECK(rig.paths() == "AA");
}
