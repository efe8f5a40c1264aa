// SPDX-License-Identifier: BSD-3-Clause
#include "block/extents.hpp"

#include <array>
#include <doctest/doctest.h>
#include <random>
#include <vector>

using block::Extent;
using block::Extents;

namespace {

constexpr std::uint64_t hole = Extents::hole | Extents::zero;

struct List {
    explicit List(const std::vector<Extent> &content, std::size_t capacity = 16)
        : room(capacity)
        , extents(room) {
        for (const Extent &extent : content)
            extents.add(extent.length, extent.state);
    }
    [[nodiscard]] bool is(const std::vector<Extent> &expected) const {
        const auto list = extents.list();
        if (list.size() != expected.size())
            return false;
        for (std::size_t i = 0; i < list.size(); ++i)
            if (list[i].length != expected[i].length || list[i].state != expected[i].state)
                return false;
        return true;
    }
    std::vector<Extent> room;
    Extents extents;
};

} // namespace

TEST_CASE("like neighbours are one extent, empty ones none") {
    CHECK(List({{10, 0}, {5, 0}, {0, hole}, {7, hole}, {1, hole}}).is({{15, 0}, {8, hole}}));
}

TEST_CASE("when there is no room the list ends") {
    List list({{10, 0}}, 1);
    CHECK(list.extents.add(5, 0));
    CHECK_FALSE(list.extents.add(5, hole));
    CHECK(list.is({{15, 0}}));
}

TEST_CASE("both ends of a list can be taken off") {
    List list({{10, 0}, {10, hole}, {10, 0}});
    list.extents.drop_front(13);
    CHECK(list.is({{7, hole}, {10, 0}}));
    list.extents.limit(9);
    CHECK(list.is({{7, hole}, {2, 0}}));
    list.extents.limit(7);
    CHECK(list.is({{7, hole}}));
    list.extents.limit(100);
    CHECK(list.is({{7, hole}}));
}

TEST_CASE("a block that is partly a hole is none") {
    List list({{1024, hole}, {3072, 0}, {4096, hole}});
    list.extents.align(4096);
    CHECK(list.is({{4096, 0}, {4096, hole}}));
    List late({{4096 + 512, hole}, {4096 - 512, 0}});
    late.extents.align(4096);
    CHECK(late.is({{4096, hole}, {4096, 0}}));
}

TEST_CASE("a block keeps what its parts share") {
    List list({{512, Extents::hole | Extents::zero}, {3584, Extents::zero}});
    list.extents.align(4096);
    CHECK(list.is({{4096, Extents::zero}}));
}

TEST_CASE("a list is never aligned to nothing") {
    List list({{512, hole}});
    list.extents.align(4096);
    CHECK(list.is({{4096, 0}}));
}

TEST_CASE("an aligned list claims nothing that was not known") {
    std::mt19937 random(1);
    for (int run = 0; run < 2000; ++run) {
        List list({}, 32);
        std::vector<std::uint64_t> states; // of every 512 bytes
        while (states.size() < 64) {
            const std::uint64_t units = 1 + random() % 12;
            const std::uint64_t state = random() % 4;
            list.extents.add(units * 512, state);
            states.insert(states.end(), units, state);
        }
        list.extents.align(4096);
        std::uint64_t at = 0;
        for (const Extent &extent : list.extents.list()) {
            REQUIRE(extent.length % 4096 == 0);
            for (const std::uint64_t end = at + extent.length; at < end; at += 512)
                CHECK((at / 512 >= states.size() || (extent.state & ~states[at / 512]) == 0));
        }
        CHECK(at > 0);
        CHECK(at <= states.size() * 512);
    }
}
