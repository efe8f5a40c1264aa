// SPDX-License-Identifier: BSD-3-Clause
// Semantics reference 2.21.
#include "selector/rig.hpp"

namespace {

SelectorRig service_time(const std::vector<SelectorRig::Words> &paths, selector::Rules rules = {}) {
    return {"service-time", paths, {}, rules};
}

} // namespace

TEST_CASE("service-time offers idle paths of one throughput in turn") {
    CHECK(service_time({{}, {}, {}}).io(7) == "0 1 2 0 1 2 0");
}

TEST_CASE("service-time puts a reinstated path behind the others") {
    SelectorRig rig = service_time({{}, {}, {}});
    rig.io(7);
    rig.selector->fail_path(1);
    CHECK(rig.io(3) == "2 0 2");
    rig.selector->reinstate_path(1);
    CHECK(rig.io(4) == "0 2 1 0");
}

TEST_CASE("service-time offers the path with the fewest bytes in flight among equal throughputs") {
    SelectorRig rig = service_time({{}, {}});
    CHECK(rig.send(1, 65536) == "0");
    CHECK(rig.send(2, 4096) == "1 1");
    CHECK(rig.send(1, 65536) == "1");
    CHECK(rig.infos() == "65536 1, 73728 1");
    CHECK(rig.send(2, 4096) == "0 0");
    CHECK(rig.infos() == "73728 1, 73728 1");
}

TEST_CASE("service-time uses the fastest path only while all are idle") {
    CHECK(service_time({{"1", "1"}, {"1", "4"}, {"1", "2"}}).io(5) == "1 1 1 1 1");
}

TEST_CASE("service-time weighs what is in flight against the throughput") {
    // The fifth: (0 + 4096) * 4 on path 0 is less than (16384 + 4096) * 1 on path 1. The fourth, of equal
    // times, went to the faster path.
    SelectorRig rig = service_time({{"1", "1"}, {"1", "4"}});
    CHECK(rig.send(5) == "1 1 1 1 0");
    CHECK(rig.infos() == "4096 1, 16384 4");
}

TEST_CASE("service-time takes the length of the new request into account") {
    SelectorRig rig = service_time({{"1", "1"}, {"1", "2"}});
    rig.selector->start_io(1, 4096, {});
    // 1: (0 + 1) * 2 < (4096 + 1) * 1. 8192: (0 + 8192) * 2 > (4096 + 8192) * 1.
    CHECK(rig.order(1, 1) == "0");
    CHECK(rig.order(1, 8192) == "1");
}

TEST_CASE("service-time leaves a path of throughput 0 to the last") {
    SelectorRig rig = service_time({{"1", "0"}, {"1", "1"}});
    CHECK(rig.send(3) == "1 1 1");
    rig.selector->fail_path(1);
    CHECK(rig.send(2) == "0 0");
    rig.selector->reinstate_path(1);
    CHECK(rig.send(1) == "1");
}

TEST_CASE("service-time shares between paths of throughput 0 by their bytes in flight") {
    SelectorRig rig = service_time({{"1", "0"}, {"1", "0"}});
    CHECK(rig.send(3) == "0 1 0");
    CHECK(rig.send(1) == "1");
}

TEST_CASE("service-time compares more bytes than fit 64 bits times a throughput") {
    SelectorRig rig = service_time({{"1", "1"}, {"1", "64"}});
    rig.selector->start_io(0, std::uint64_t{1} << 60, {});
    rig.selector->start_io(1, (std::uint64_t{1} << 60) + (std::uint64_t{1} << 58), {});
    CHECK(rig.order(1) == "1");
}

TEST_CASE("service-time goes on counting what a failed path has in flight") {
    SelectorRig rig = service_time({{}, {}});
    rig.send(2);
    rig.selector->fail_path(0);
    CHECK(rig.infos() == "4096 1, 4096 1");
    rig.end(0);
    CHECK(rig.infos() == "0 1, 4096 1");
}

TEST_CASE("service-time asks for the repeat count of the path it offers") {
    SelectorRig rig = service_time({{"3"}, {}});
    for (const unsigned count : {3U, 1U})
        CHECK(rig.selector->select_path(0, {})->repeat_count == count);
}

TEST_CASE("service-time shows repeat count and throughput in TABLE, 1 each when left out") {
    CHECK(service_time({{"2", "3"}, {"5"}, {}, {"0", "0"}, {"1", "100"}}).tables() ==
          "2 3, 5 1, 1 1, 0 0, 1 100");
    CHECK(
        service_time({{"2", "4294967299"}}, {.repeat_counts_are_one = true, .numbers_wrap = true}).tables() ==
        "1 3");
}

TEST_CASE("service-time refuses bad arguments with the text of the kernel") {
    CHECK(path_argument_error("service-time", {"1", "1", "1"}) ==
          "service-time ps: incorrect number of arguments");
    CHECK(path_argument_error("service-time", {"x", "1"}) == "service-time ps: invalid repeat count");
    for (const char *throughput : {"101", "x", "", "-1", "1x", "4294967297"})
        CHECK(path_argument_error("service-time", {"1", throughput}) ==
              "service-time ps: invalid relative_throughput value");
}
