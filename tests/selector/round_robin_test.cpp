// SPDX-License-Identifier: BSD-3-Clause
// Semantics reference 2.21.
#include "selector/rig.hpp"

namespace {

SelectorRig round_robin(const std::vector<SelectorRig::Words> &paths, selector::Rules rules = {}) {
    return {"round-robin", paths, {}, rules};
}

} // namespace

TEST_CASE("round-robin offers each path in turn") {
    CHECK(round_robin({{}, {}, {}}).order(7) == "0 1 2 0 1 2 0");
}

TEST_CASE("round-robin does not look at what is in flight") {
    SelectorRig rig = round_robin({{}, {}});
    rig.send(1);
    rig.io(1);
    CHECK(rig.send(2) == "0 1");
}

TEST_CASE("round-robin asks for the repeat count of the path it offers, 1 by default") {
    SelectorRig rig = round_robin({{"3"}, {}, {"0"}, {"4294967295"}});
    for (const unsigned count : {3U, 1U, 0U, 4294967295U})
        CHECK(rig.selector->select_path(0, {})->repeat_count == count);
}

TEST_CASE("round-robin passes over a failed path") {
    SelectorRig rig = round_robin({{}, {}, {}});
    rig.order(1);
    rig.selector->fail_path(1);
    CHECK(rig.order(3) == "2 0 2");
}

TEST_CASE("round-robin uses a reinstated path next") {
    SelectorRig rig = round_robin({{}, {}, {}});
    rig.selector->fail_path(2);
    rig.selector->reinstate_path(2);
    CHECK(rig.order(4) == "2 0 1 2");
}

TEST_CASE("round-robin uses the path that was reinstated last first") {
    SelectorRig rig = round_robin({{}, {}, {}});
    rig.selector->fail_path(1);
    rig.selector->fail_path(2);
    rig.selector->reinstate_path(1);
    rig.selector->reinstate_path(2);
    CHECK(rig.order(3) == "2 1 0");
}

TEST_CASE("round-robin shows its repeat counts in TABLE and nothing in INFO") {
    const SelectorRig rig = round_robin({{"3"}, {}});
    CHECK(rig.selector->table() == "0");
    CHECK(rig.selector->info() == "0");
    CHECK(rig.tables() == "3, 1");
    CHECK(rig.infos() == ", ");
}

TEST_CASE("under the kernel's rules a repeat count above 1 is taken and shown as 1") {
    SelectorRig rig = round_robin({{"1000"}, {"1"}, {"0"}, {}}, {.repeat_counts_are_one = true});
    for (const unsigned count : {1U, 1U, 0U, 1U})
        CHECK(rig.selector->select_path(0, {})->repeat_count == count);
    CHECK(rig.tables() == "1, 1, 0, 1");
}

TEST_CASE("under the kernel's rules a repeat count is taken modulo 2^32") {
    CHECK(round_robin({{"4294967299"}, {"4294967296"}}, {.numbers_wrap = true}).tables() == "3, 0");
}

TEST_CASE("round-robin refuses bad arguments with the text of the kernel") {
    CHECK(path_argument_error("round-robin", {"1", "1"}) == "round-robin ps: incorrect number of arguments");
    for (const char *count : {"x", "", "-1", "1x", "0x1", "4294967296", " 1"})
        CHECK(path_argument_error("round-robin", {count}) == "round-robin ps: invalid repeat count");
}
