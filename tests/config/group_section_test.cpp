// SPDX-License-Identifier: BSD-3-Clause
#include "config/fixture.hpp"

using namespace config_test;

namespace {

std::string with_groups(std::string_view groups, std::string_view keys = "") {
    return with_map(fmt::format("{}    priority_groups: [{}]\n", keys, groups));
}
std::string table(std::string_view groups, std::string_view keys = "") {
    return parse(with_groups(groups, keys)).maps.at(0).table;
}
Lines errors_of(std::string_view groups, std::string_view keys = "") {
    return errors(with_groups(groups, keys));
}

} // namespace

TEST_CASE("groups become a table") {
    CHECK(table("{selector: round-robin, paths: [p1, p2]}, {selector: round-robin, paths: [p3]}") ==
          "0 0 2 1 round-robin 0 2 1 p1 1 p2 1 round-robin 0 1 1 p3 1");
}

TEST_CASE("keys beside groups become their words") {
    CHECK(table("{selector: round-robin, paths: [p1]}, {selector: round-robin, paths: [p2]}",
                "    queue_if_no_path: true\n    no_path_timeout: 60s\n    pg_init_retries: 4\n    "
                "initial_group: 2\n") ==
          "3 queue_if_no_path pg_init_retries 4 0 2 2 round-robin 0 1 1 p1 1 round-robin 0 1 1 p2 1");
}

TEST_CASE("a selector's arguments are counted") {
    CHECK(table("{selector: service-time 972 0, paths: [p1]}") == "0 0 1 1 service-time 2 972 0 1 0 p1");
}

TEST_CASE("paths of a group have the same number of arguments") {
    CHECK(table("{selector: round-robin, paths: [p1, {path: p2, repeat_count: 1000}]}") ==
          "0 0 1 1 round-robin 0 2 1 p1 1 p2 1000");
    CHECK(table("{selector: service-time, paths: [p1, {path: p2, relative_throughput: 5}, {path: p3, "
                "repeat_count: 7}]}") == "0 0 1 1 service-time 0 3 2 p1 1 1 p2 1 5 p3 7 1");
}

TEST_CASE("a selector other than round-robin gets no arguments that nobody gave") {
    CHECK(table("{selector: service-time, paths: [p1, {path: p2}]}") == "0 0 1 1 service-time 0 2 0 p1 p2");
}

TEST_CASE("both forms of a map give the same table") {
    CHECK(parse(with_map("    table: 0 0 1 1 round-robin 0 2 1 p1 1 p2 1\n")).maps.at(0).table ==
          table("{selector: round-robin, paths: [p1, p2]}"));
}

TEST_CASE("an unknown path of a group is reported where it stands") {
    CHECK(errors_of("{selector: round-robin, paths: [p1, q2]}") ==
          Lines{"t.yaml:5:59: error getting device: no path 'q2' (did you mean 'p2'?)"});
}

TEST_CASE("an unknown selector is reported with the nearest one") {
    CHECK(
        errors_of("{selector: roundrobin, paths: [p1]}") ==
        Lines{"t.yaml:5:34: selector: unknown path selector type 'roundrobin' (did you mean 'round-robin'?) "
              "(known: round-robin, service-time)"});
    CHECK(errors_of("{selector: io-affinity, paths: [p1]}") ==
          Lines{"t.yaml:5:34: selector: unknown path selector type 'io-affinity' (known: round-robin, "
                "service-time)"});
}

TEST_CASE("an incomplete group is reported") {
    CHECK(errors_of("{selector: round-robin}").size() == 1);
    CHECK(errors_of("{paths: [p1]}").size() == 1);
    CHECK(errors_of("{selector: round-robin, paths: []}").at(0).find("invalid number of paths") !=
          std::string::npos);
    CHECK(errors_of("").at(0).find("invalid number of priority groups") != std::string::npos);
    CHECK(errors_of("p1").size() == 1);
    CHECK(errors_of("{selector: round-robin, paths: [{repeat_count: 1}]}").at(0).find("needs 'path'") !=
          std::string::npos);
}

TEST_CASE("a wrong argument of a path is reported") {
    CHECK(errors_of("{selector: round-robin, paths: [{path: p1, repeat_count: -1, weight: 1}]}") ==
          Lines{"t.yaml:5:80: repeat_count: '-1' is not a number (example: 64)",
                "t.yaml:5:84: path of a group: unknown key 'weight'"});
    CHECK(errors_of("{selector: service-time, paths: [{path: p1, relative_throughput: 101}]}").size() == 1);
}

TEST_CASE("an initial group that does not exist is a problem") {
    CHECK(errors_of("{selector: round-robin, paths: [p1]}", "    initial_group: 2\n") ==
          Lines{"t.yaml:5:20: initial_group: 2, but there are 1 priority groups"});
}

TEST_CASE("a group of thousands of paths is refused") {
    std::string paths = "p1";
    for (int i = 0; i < 1024; ++i)
        paths += ", p1";
    CHECK(errors_of(fmt::format("{{selector: round-robin, paths: [{}]}}", paths)).size() == 1);
}
