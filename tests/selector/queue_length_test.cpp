// SPDX-License-Identifier: BSD-3-Clause
// Semantics reference 2.21.
#include "selector/rig.hpp"

namespace {

SelectorRig queue_length(const std::vector<SelectorRig::Words> &paths, selector::Rules rules = {}) {
    return {"queue-length", paths, {}, rules};
}

} // namespace

TEST_CASE("queue-length offers idle paths in turn") {
    CHECK(queue_length({{}, {}, {}}).io(7) == "0 1 2 0 1 2 0");
}

TEST_CASE("queue-length offers the path with the fewest requests in flight") {
    SelectorRig rig = queue_length({{}, {}, {}});
    CHECK(rig.send(5) == "0 1 2 0 1");
    CHECK(rig.infos() == "2, 2, 1");
    rig.end(1);
    rig.end(1);
    CHECK(rig.io(2) == "1 1");
    CHECK(rig.infos() == "2, 0, 1");
    CHECK(rig.send(3) == "1 2 1");
}

TEST_CASE("queue-length begins with the path that was idle longest when all are idle again") {
    SelectorRig rig = queue_length({{}, {}, {}});
    rig.send(5); // 0 1 2 0 1
    for (const unsigned path : {1U, 1U, 0U, 0U, 2U})
        rig.end(path);
    CHECK(rig.io(3) == "2 0 1");
}

TEST_CASE("queue-length puts a reinstated path behind the others") {
    SelectorRig rig = queue_length({{}, {}, {}});
    rig.io(7);
    rig.selector->fail_path(0);
    CHECK(rig.io(3) == "1 2 1");
    rig.selector->reinstate_path(0);
    CHECK(rig.io(4) == "2 1 0 2");
}

TEST_CASE("queue-length goes on counting what a failed path has in flight") {
    SelectorRig rig = queue_length({{}, {}});
    rig.send(2);
    rig.selector->fail_path(0);
    CHECK(rig.send(1) == "1");
    CHECK(rig.infos() == "1, 2");
    rig.selector->reinstate_path(0);
    CHECK(rig.send(1) == "0");
    for (const unsigned path : {0U, 0U, 1U, 1U})
        rig.end(path);
    CHECK(rig.infos() == "0, 0");
}

TEST_CASE("queue-length counts requests, whatever their length") {
    SelectorRig rig = queue_length({{}, {}});
    rig.send(1, 1 << 20);
    rig.send(1, 512);
    CHECK(rig.infos() == "1, 1");
    rig.end(0, 1 << 20);
    CHECK(rig.infos() == "0, 1");
}

TEST_CASE("queue-length asks for the repeat count of the path it offers and shows it in TABLE") {
    SelectorRig rig = queue_length({{"3"}, {}, {"0"}});
    for (const unsigned count : {3U, 1U, 0U})
        CHECK(rig.selector->select_path(0, {})->repeat_count == count);
    CHECK(rig.tables() == "3, 1, 0");
    CHECK(rig.selector->info() == "0");
    CHECK(rig.selector->table() == "0");
    CHECK(queue_length({{"8"}, {"0"}}, {.repeat_counts_are_one = true}).tables() == "1, 0");
}

TEST_CASE("queue-length refuses bad arguments with the text of the kernel") {
    CHECK(path_argument_error("queue-length", {"1", "1"}) ==
          "queue-length ps: incorrect number of arguments");
    for (const char *count : {"x", "", "-1", "1x", "4294967296"})
        CHECK(path_argument_error("queue-length", {count}) == "queue-length ps: invalid repeat count");
}

TEST_CASE("queue-length takes no notice of arguments of its own") {
    CHECK(SelectorRig("queue-length", {{}}, {"x", "y"}).selector->table() == "0");
}
