// SPDX-License-Identifier: BSD-3-Clause
// Semantics reference 2.21. The numbers were computed by hand.
#include "selector/rig.hpp"

namespace {

/// Times in nanoseconds. A path's INFO: its average in 1/1024 ns, its requests in flight, and when the
/// average is stale.
struct Historical : SelectorRig {
    explicit Historical(std::size_t paths, const Words &arguments = {}, selector::Rules rules = {})
        : SelectorRig("historical-service-time", std::vector<Words>(paths), arguments, rules) {}

    void start(selector::PathIndex path) { selector->start_io(path, 4096, at(0)); }
    void end(selector::PathIndex path, std::int64_t started, std::int64_t now) {
        selector->end_io(path, 4096, at(started), at(now));
    }
    void took(selector::PathIndex path, std::int64_t started, std::int64_t now) {
        start(path);
        end(path, started, now);
    }
    selector::PathIndex choose(std::int64_t now) { return selector->select_path(4096, at(now))->path; }
};

/// A base weight of 0 forgets the past: an average is the last service time, and it is stale after as much
/// time as that for each path.
const SelectorRig::Words forgetful = {"0"};

std::string creation_error(const SelectorRig::Words &arguments) {
    try {
        Historical(1, arguments);
    } catch (const base::Error &error) {
        return base::errno_name(error.code());
    }
    return "ok";
}

} // namespace

TEST_CASE("historical-service-time begins with an average of 1 ns and offers paths in turn") {
    Historical rig(3);
    CHECK(rig.infos() == "1024 0 0, 1024 0 0, 1024 0 0");
    CHECK(rig.order(7) == "0 1 2 0 1 2 0");
}

TEST_CASE("historical-service-time shows base weight and threshold multiplier with their defaults") {
    CHECK(Historical(1).selector->info() == "2 972 0");
    CHECK(Historical(1).selector->table() == "2 972 0");
    CHECK(Historical(1, {"900"}).selector->info() == "2 900 0");
    CHECK(Historical(1, {"0", "18446744073709551615"}).selector->table() == "2 0 18446744073709551615");
    CHECK(Historical(1, {"1023", "2"}).selector->info() == "2 1023 2");
}

TEST_CASE("historical-service-time refuses wrong arguments of its own") {
    for (const char *weight : {"1024", "x", "", "-1", "1x", "4294967297"})
        CHECK(creation_error({weight}) == "EINVAL");
    for (const char *multiplier : {"x", "", "-1", "18446744073709551616"})
        CHECK(creation_error({"900", multiplier}) == "EINVAL");
    CHECK(creation_error({"900", "2", "1"}) == "EINVAL");
    CHECK(Historical(1, {"4294968196"}, {.numbers_wrap = true}).selector->info() == "2 900 0");
}

TEST_CASE("historical-service-time checks a path's repeat count but neither uses nor shows it") {
    SelectorRig rig("historical-service-time", {{"8"}, {}, {"0"}});
    for (int i = 0; i < 3; ++i)
        CHECK(rig.selector->select_path(0, {})->repeat_count == 1);
    CHECK(rig.tables() == "0, 0, 0");
    CHECK(path_argument_error("historical-service-time", {"1", "1"}) ==
          "historical-service-time ps: incorrect number of arguments");
    CHECK(path_argument_error("historical-service-time", {"x"}) ==
          "historical-service-time ps: invalid repeat count");
}

TEST_CASE("a request moves the average by its service time") {
    Historical rig(2);
    // 1 ms: (1024 * 972 + 1000000 * 1024 * 52 + 512) / 1024; stale after 2 paths * 50782 ns.
    rig.took(0, 4'000'000, 5'000'000);
    CHECK(rig.infos() == "52000972 0 5101564, 1024 0 0");
    // Again: (52000972 * 972 + 1000000 * 1024 * 52 + 512) / 1024; 2 * 98984 ns.
    rig.took(0, 5'000'000, 6'000'000);
    CHECK(rig.infos() == "101360298 0 6197968, 1024 0 0");
}

TEST_CASE("the longer a request took the less the past counts") {
    // Base 1/2: 1/2 below 2^24 ns, 1/4 below twice that.
    Historical half(1, {"512"});
    half.took(0, 1, 1 + (1 << 24) - 1);
    CHECK(half.infos() == "8589934592 0 25165824"); // 512 + (2^24 - 1) * 512
    Historical quarter(1, {"512"});
    quarter.took(0, 1, 1 + (1 << 24));
    CHECK(quarter.infos() == "12884902144 0 29360129"); // 256 + 2^24 * 768
    // The default: one second is in step 59, 0.949^60 is 45/1024.
    Historical slow(1);
    slow.took(0, 0, 1'000'000'000);
    CHECK(slow.infos() == "979000000045 0 1956054687"); // 45 + 10^9 * 979
}

TEST_CASE("a request of more than a second sets the average") {
    Historical rig(1);
    rig.took(0, 0, std::int64_t{63} << 24);
    CHECK(rig.infos() == "1082331758592 0 2113929216"); // 63 * 2^24 * 1024
}

TEST_CASE("an average stops at what fits 64 bits times a weight") {
    Historical rig(1);
    rig.took(0, 0, std::int64_t{1} << 60);
    CHECK(rig.infos() == "18014398509481983 0 1152939096792891391"); // 2^54 - 1; 2^60 + 2^44 - 1
    rig.took(0, std::int64_t{1} << 60, (std::int64_t{1} << 60) + 1);
    CHECK(rig.infos() == "17099604835172403 0 1152938203439693825");
}

TEST_CASE("requests of a path count as if sent one by one") {
    Historical rig(1, forgetful);
    rig.start(0);
    rig.start(0);
    rig.end(0, 0, 1000);
    CHECK(rig.infos() == "1024000 1 2000");
    rig.end(0, 0, 1500); // 500 since the other one
    CHECK(rig.infos() == "512000 0 2000");
}

TEST_CASE("a request that seems to end before it began took no time") {
    Historical rig(1, forgetful);
    rig.took(0, 2000, 1000);
    CHECK(rig.infos() == "0 0 1000");
}

TEST_CASE("an average is stale after its time for each active path") {
    Historical rig(3, forgetful);
    rig.took(0, 0, 1000);
    CHECK(rig.infos() == "1024000 0 4000, 1024 0 0, 1024 0 0");
    rig.selector->fail_path(2);
    rig.took(0, 1000, 2000);
    CHECK(rig.infos() == "1024000 0 4000, 1024 0 0, 1024 0 0");
    rig.selector->reinstate_path(2);
    rig.took(0, 2000, 3000);
    CHECK(rig.infos() == "1024000 0 6000, 1024 0 0, 1024 0 0");
}

TEST_CASE("a reinstated path comes behind the others") {
    Historical rig(3);
    rig.selector->fail_path(0);
    rig.selector->reinstate_path(0);
    CHECK(rig.order(3) == "1 2 0");
}

TEST_CASE("of two idle paths the one that is stale first is chosen, however slow") {
    Historical rig(2, forgetful);
    rig.took(0, 0, 1000);    // stale after 3000
    rig.took(1, 1990, 2000); // stale after 2020
    CHECK(rig.choose(2010) == 1);
    CHECK(rig.choose(5000) == 1);
}

TEST_CASE("an idle path whose average is stale is chosen before a busy one") {
    Historical rig(2, forgetful);
    rig.took(0, 0, 1000);    // stale after 3000
    rig.took(1, 1990, 2000); // stale after 2020
    rig.start(1);
    CHECK(rig.choose(3001) == 0);
    CHECK(rig.choose(3001) == 0);
}

TEST_CASE("an idle path whose average is not stale has to be expected to answer first") {
    Historical rig(2, forgetful);
    rig.took(0, 0, 1000);    // 1000 ns, stale after 3000
    rig.took(1, 1700, 2000); // 300 ns, stale after 2600
    rig.start(1);
    CHECK(rig.choose(2100) == 1); // 1 * 1000 against 2 * 300
    rig.start(1);
    CHECK(rig.choose(2100) == 1); // 3 * 300
    rig.start(1);
    CHECK(rig.choose(2100) == 0); // 4 * 300
}

TEST_CASE("of paths with the same number of requests the faster one is chosen") {
    Historical rig(2, forgetful);
    rig.took(0, 0, 1000);
    rig.took(1, 500, 1000);
    rig.start(0);
    rig.start(1);
    CHECK(rig.choose(1100) == 1);
    CHECK(rig.choose(1100) == 1);
}

TEST_CASE("paths that are expected to answer at the same time take turns") {
    Historical rig(2, forgetful);
    rig.took(0, 0, 1000);
    rig.took(1, 0, 1000);
    rig.start(0);
    rig.start(1);
    CHECK(rig.choose(1100) == 0);
    CHECK(rig.choose(1100) == 1);
    CHECK(rig.choose(1100) == 0);
}

TEST_CASE("a winner whose average is stale gets no more than its share") {
    Historical rig(2, forgetful);
    rig.took(0, 99'000, 100'000); // 1000 ns, stale after 102000
    rig.took(1, 80'000, 90'000);  // 10000 ns, stale after 110000
    rig.start(0);
    rig.start(0);
    rig.start(1);
    CHECK(rig.choose(102'000) == 0); // 3 * 1000 against 2 * 10000
    CHECK(rig.choose(102'001) == 1); // 2 requests against 1
}

TEST_CASE("averages within the threshold are the same: fewer requests in flight win") {
    Historical rig(2, {"0", "2"});
    rig.took(0, 0, 1000);
    rig.took(1, 500, 1000); // half of it: within
    rig.start(1);
    CHECK(rig.choose(1100) == 0);
    rig.start(0);
    CHECK(rig.choose(1100) == 1); // equal: the one used longer ago
    CHECK(rig.choose(1100) == 0);
    CHECK(rig.choose(1100) == 1);
    Historical beyond(2, {"0", "2"});
    beyond.took(0, 0, 1000);
    beyond.took(1, 501, 1000); // 499 * 2 < 1000
    beyond.start(0);
    beyond.start(1);
    CHECK(beyond.choose(1100) == 1);
    CHECK(beyond.choose(1100) == 1);
}

TEST_CASE("a threshold multiplier that does not fit 64 bits times an average makes all averages the same") {
    Historical rig(2, {"0", "18446744073709551615"});
    rig.took(0, 0, 1);
    rig.took(1, 0, 1'000'000'000);
    rig.start(0);
    CHECK(rig.choose(1'000'000'001) == 1);
    rig.start(1);
    rig.start(1);
    CHECK(rig.choose(1'000'000'001) == 0);
}

TEST_CASE("from 1024 requests on estimates are made in whole nanoseconds") {
    Historical rig(2, forgetful);
    // The largest average times 1025 does not fit 64 bits: wrapped, path 0 would win.
    rig.took(0, 0, std::int64_t{1} << 60);
    rig.took(1, 0, std::int64_t{1} << 44);
    for (int i = 0; i < 1024; ++i)
        rig.start(0);
    rig.start(1);
    CHECK(rig.choose(0) == 1);
    CHECK(rig.choose(0) == 1);
}
