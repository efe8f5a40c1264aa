// SPDX-License-Identifier: BSD-3-Clause
// Semantics reference 2.21.
#include "base/error.hpp"
#include "selector/selector.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

struct RoundRobin {
    explicit RoundRobin(const std::vector<std::vector<std::string>> &arguments, selector::Rules rules = {})
        : selector(selector::find_type("round-robin")->create({}, rules)) {
        for (const auto &one : arguments)
            selector->add_path(next++, one);
    }
    /// The next paths it offers, "0 1 0".
    std::string order(int count) {
        std::string text;
        for (int i = 0; i < count; ++i)
            text += (i == 0 ? "" : " ") + std::to_string(selector->select_path(4096, {})->path);
        return text;
    }
    std::unique_ptr<selector::Selector> selector;
    unsigned next = 0;
};

std::string error_of(const std::vector<std::string> &arguments) {
    try {
        RoundRobin({arguments});
    } catch (const base::Error &error) {
        CHECK(error.code() == EINVAL);
        return error.what();
    }
    return "ok";
}

} // namespace

TEST_CASE("round-robin offers each path in turn") {
    CHECK(RoundRobin({{}, {}, {}}).order(7) == "0 1 2 0 1 2 0");
}

TEST_CASE("round-robin asks for the repeat count of the path it offers, 1 by default") {
    RoundRobin rig({{"3"}, {}, {"0"}, {"4294967295"}});
    for (const unsigned count : {3U, 1U, 0U, 4294967295U})
        CHECK(rig.selector->select_path(0, {})->repeat_count == count);
}

TEST_CASE("round-robin passes over a failed path") {
    RoundRobin rig({{}, {}, {}});
    rig.order(1);
    rig.selector->fail_path(1);
    CHECK(rig.order(3) == "2 0 2");
}

TEST_CASE("round-robin uses a reinstated path next") {
    RoundRobin rig({{}, {}, {}});
    rig.selector->fail_path(2);
    rig.selector->reinstate_path(2);
    CHECK(rig.order(4) == "2 0 1 2");
}

TEST_CASE("round-robin uses the path that was reinstated last first") {
    RoundRobin rig({{}, {}, {}});
    rig.selector->fail_path(1);
    rig.selector->fail_path(2);
    rig.selector->reinstate_path(1);
    rig.selector->reinstate_path(2);
    CHECK(rig.order(3) == "2 1 0");
}

TEST_CASE("round-robin shows its repeat counts in TABLE and nothing in INFO") {
    RoundRobin rig({{"3"}, {}});
    CHECK(rig.selector->table() == "0");
    CHECK(rig.selector->info() == "0");
    CHECK(rig.selector->table_width() == 1);
    CHECK(rig.selector->info_width() == 0);
    CHECK(rig.selector->path_table(0) == "3");
    CHECK(rig.selector->path_table(1) == "1");
    CHECK(rig.selector->path_info(0).empty());
}

TEST_CASE("under the kernel's rules a repeat count above 1 is taken and shown as 1") {
    RoundRobin rig({{"1000"}, {"1"}, {"0"}, {}}, {.repeat_counts_are_one = true});
    for (const unsigned count : {1U, 1U, 0U, 1U})
        CHECK(rig.selector->select_path(0, {})->repeat_count == count);
    CHECK(rig.selector->path_table(0) == "1");
    CHECK(rig.selector->path_table(2) == "0");
}

TEST_CASE("under the kernel's rules a repeat count is taken modulo 2^32") {
    RoundRobin rig({{"4294967299"}, {"4294967296"}}, {.numbers_wrap = true});
    CHECK(rig.selector->path_table(0) == "3");
    CHECK(rig.selector->path_table(1) == "0");
}

TEST_CASE("round-robin refuses bad arguments with the text of the kernel") {
    CHECK(error_of({"1", "1"}) == "round-robin ps: incorrect number of arguments");
    for (const char *count : {"x", "", "-1", "1x", "0x1", "4294967296", " 1"})
        CHECK(error_of({count}) == "round-robin ps: invalid repeat count");
}
