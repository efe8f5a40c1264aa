// SPDX-License-Identifier: BSD-3-Clause
#include "config/fixture.hpp"

using namespace config_test;
using std::chrono::milliseconds;

namespace {

std::vector<config::Path> paths(std::string_view lines) {
    return parse(with_listen("paths:\n" + std::string(lines))).paths;
}
/// The lines begin in line 3.
Lines errors_of(std::string_view lines) { return errors(with_listen("paths:\n" + std::string(lines))); }

} // namespace

TEST_CASE("a path is a URI") {
    const auto all = paths("  a: file:///1\n  b: nbd://h/x\n");
    CHECK(all.at(0).name == "a");
    CHECK(all.at(0).uri == "file:///1");
    CHECK(config::to_string(all.at(0).where) == "t.yaml:3:3");
    CHECK(all.at(1).name == "b");
}

TEST_CASE("keys of a path's type are read, and have their defaults") {
    const auto all = paths("  a: {uri: \"nbd://h/x\", io_timeout: 5s}\n  b: nbd://h/x\n");
    CHECK(all.at(0).values.get<milliseconds>("io_timeout") == milliseconds(5000));
    CHECK(all.at(0).values.get<std::uint64_t>("max_requests") == 64);
    CHECK(all.at(1).values.get<milliseconds>("io_timeout") == milliseconds(30000));
    CHECK_FALSE(all.at(1).values.has("note"));
}

TEST_CASE("a key of another type is unknown") {
    CHECK(
        errors_of("  a: {uri: \"nbd://h/x\", io_timeou: 5s}\n  b: {uri: \"file:///x\", max_requests: 1}\n") ==
        Lines{"t.yaml:3:25: path 'a': unknown key 'io_timeou' (did you mean 'io_timeout'?)",
              "t.yaml:4:25: path 'b': unknown key 'max_requests'"});
}

TEST_CASE("values of a path are checked by its type") {
    CHECK(errors_of("  a: {uri: \"nbd://h/x\", max_requests: 0}\n") ==
          Lines{"t.yaml:3:6: path 'a': max_requests: 0 is too small"});
}

TEST_CASE("faults of a path are one rule or a list of rules") {
    const auto all = paths("  a: {uri: \"nbd://h/x\", inject: hang op=read}\n"
                           "  b: {uri: \"file:///x\", inject: [delay=1s op=write, drop]}\n  c: file:///y\n");
    CHECK(all.at(0).inject == std::vector<std::string>{"hang op=read"});
    CHECK(all.at(1).inject == std::vector<std::string>{"delay=1s op=write", "drop"});
    CHECK(all.at(2).inject.empty());
}

TEST_CASE("each wrong rule is reported where it stands, and too many are") {
    CHECK(errors_of("  a: {uri: \"nbd://h/x\", inject: [hang, wrong one, {x: 1}]}\n"
                    "  b: {uri: \"nbd://h/x\", inject: wrong}\n"
                    "  c: {uri: \"nbd://h/x\", inject: {x: 1}}\n"
                    "  d: {uri: \"nbd://h/x\", inject: [a, b, c, d]}\n") ==
          Lines{"t.yaml:3:40: inject: this rule is wrong",
                "t.yaml:3:51: inject: expected a text, not a mapping",
                "t.yaml:4:33: inject: this rule is wrong",
                "t.yaml:5:33: inject: expected a text, not a mapping",
                "t.yaml:6:33: inject: 4 rules are too many, the most is 3"});
}

TEST_CASE("a URI is checked by its type") {
    CHECK(errors_of("  a: nbd://wrong\n  b: {uri: \"file:wrong\"}\n") ==
          Lines{"t.yaml:3:6: uri: this URI is wrong", "t.yaml:4:12: uri: this URI is wrong"});
}

TEST_CASE("an unknown scheme is reported with the known ones") {
    CHECK(errors_of("  a: http://h/x\n  b: /srv/disk\n") ==
          Lines{"t.yaml:3:6: unknown URI scheme 'http' (known schemes: file, nbd, nbd+unix, iscsi)",
                "t.yaml:4:6: not a URI, it has no scheme (example: file:///srv/disk.img; known schemes: "
                "file, nbd, "
                "nbd+unix, iscsi)"});
}

TEST_CASE("a path without a URI is reported") {
    CHECK(errors_of("  a:\n  b: {io_timeout: 3s}\n  c: [x]\n").size() == 3);
}

TEST_CASE("a path name is short and of harmless characters") {
    CHECK(errors_of("  a/b: file:///1\n") ==
          Lines{"t.yaml:3:3: 'a/b' is not a path name: 1 to 127 characters of A-Z a-z 0-9 _ . : @ + -"});
    CHECK(errors_of("  \"\": file:///1\n").size() == 1);
    CHECK(errors_of("  " + std::string(127, 'x') + ": file:///1\n").empty());
    CHECK(errors_of("  " + std::string(128, 'x') + ": file:///1\n").size() == 1);
    CHECK(errors_of("  A-z_0.9:@+: file:///1\n").empty());
}

TEST_CASE("OK and words beginning with ERR are no names") {
    for (const char *name : {"OK", "ERR", "ERRor"})
        CHECK(errors_of(fmt::format("  {}: file:///1\n", name)).at(0).find("the admin protocol") !=
              std::string::npos);
    CHECK(errors_of("  ok: file:///1\n  OKAY: file:///1\n  err: file:///1\n").empty());
}

TEST_CASE("a path name is there once") {
    CHECK(errors_of("  a: file:///1\n  a: file:///2\n") ==
          Lines{"t.yaml:4:3: paths: duplicate 'a' (first in line 3)"});
}

TEST_CASE("what the section iscsi states is the default of the paths that know it") {
    const config::Config config = parse(with_listen(
        "iscsi: {initiator_name: iqn.x}\n"
        "paths: {a: \"iscsi://h\", b: {uri: \"iscsi://h\", initiator_name: iqn.y}, c: \"nbd://h\"}\n"));
    CHECK(config.paths.at(0).values.get<std::string>("initiator_name") == "iqn.x");
    CHECK(config.paths.at(1).values.get<std::string>("initiator_name") == "iqn.y");
    CHECK_FALSE(config.paths.at(2).values.has("initiator_name"));
}

TEST_CASE("a default that a path does not take is reported there") {
    CHECK(errors(with_listen("iscsi: {initiator_name: wrong}\npaths: {a: \"iscsi://h\"}\n")) ==
          Lines{"t.yaml:3:12: path 'a': initiator_name: this name is wrong"});
}

TEST_CASE("a table that names a path with a wrong URI is not wrong too") {
    CHECK(
        errors(with_listen(
                   "paths: {p1: \"nbd://wrong\"}\nmultipaths: {m: {table: 0 0 1 1 round-robin 0 1 0 p1}}\n"))
            .size() == 1);
}
