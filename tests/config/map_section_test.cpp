// SPDX-License-Identifier: BSD-3-Clause
#include "config/fixture.hpp"

using namespace config_test;

namespace {

config::Map map(std::string_view lines) { return parse(with_map(lines)).maps.at(0); }
std::string table(std::string_view lines) { return map(lines).table; }
std::string with_table(std::string_view text, std::string_view more = "") {
    return fmt::format("    table: \"{}\"\n{}", text, more);
}
constexpr std::string_view plain = "0 0 1 1 round-robin 0 1 1 p1 1";

} // namespace

TEST_CASE("a map says whom it is for") {
    const auto map = [](std::string_view keys) {
        return parse(fmt::format("listen: [{{tcp: :1}}]\npaths: {{p1: \"file:///x\"}}\nmultipaths:\n  m:\n"
                                 "    table: \"0 0 1 1 round-robin 0 1 1 p1 1\"\n{}",
                                 keys))
            .maps.at(0);
    };
    const config::Map open = map("");
    CHECK(open.listed);
    CHECK(open.access == config::Access::shared);
    CHECK(open.max_clients == 0);
    CHECK(open.allow.empty());
    const config::Map strict = map("    listed: false\n    access: exclusive\n    max_clients: 4\n"
                                   "    allow: [10.0.0.0/8, unix, \"fd00::/8\"]\n");
    CHECK_FALSE(strict.listed);
    CHECK(strict.access == config::Access::exclusive);
    CHECK(strict.max_clients == 4);
    CHECK(strict.allow.size() == 3);
    CHECK(map("    access: read-only\n").access == config::Access::read_only);
    for (const char *wrong : {"access: none", "max_clients: 0", "allow: []", "allow: [10.0.0.0/40]",
                              "allow: x", "allow:", "listed: perhaps"})
        CHECK_THROWS_AS(map(fmt::format("    {}\n", wrong)), config::Errors);
}

TEST_CASE("a table text is kept, its blanks and line ends folded") {
    CHECK(table("    table: |\n      1 queue_if_no_path 0\n        1 1  round-robin 0 1 1 p1 1\n    "
                "no_path_timeout: 9\n") == "1 queue_if_no_path 0 1 1 round-robin 0 1 1 p1 1");
}

TEST_CASE("a dm line's head gives the size") {
    const config::Map made = map(with_table("0 2048 multipath 0 0 1 1 round-robin 0 1 1 p1 1"));
    CHECK(made.table == plain);
    CHECK(made.size_bytes == 1u << 20);
    CHECK(map(with_table("0 2048 multipath 0 0 1 1 round-robin 0 1 1 p1 1", "    size: 4K\n")).size_bytes ==
          4096);
}

TEST_CASE("a wrong head of a dm line is reported") {
    CHECK(errors(with_map(with_table("8 2048 multipath 0 0"))).at(0).find("starts at sector 0, not at '8'") !=
          std::string::npos);
    for (const char *sectors : {"0", "x", "-1", "99999999999999999999", "36028797018963968"})
        CHECK(errors(with_map(with_table(fmt::format("0 {} multipath 0 0", sectors))))
                  .at(0)
                  .find("number of sectors") != std::string::npos);
}

TEST_CASE("a map has its defaults") {
    const config::Map made = map(with_table(plain));
    CHECK(made.name == "m");
    CHECK(config::to_string(made.where) == "t.yaml:4:3");
    CHECK(config::to_string(made.table_where) == "t.yaml:5:12");
    CHECK_FALSE(made.read_only);
    CHECK(made.no_path_timeout.count() == 0);
    CHECK_FALSE(made.size_bytes);
    CHECK_FALSE(made.cache);
    CHECK(made.reinstate == config::Reinstate::automatic);
    CHECK(made.eio == config::Eio::path);
}

TEST_CASE("keys of a map are read") {
    const config::Map made =
        map(with_table(plain, "    description: a disk\n    read_only: true\n"
                              "    no_path_timeout: 60s\n    size: 1G\n    cache: independent\n"
                              "    reinstate: manual\n    eio: verify\n"));
    CHECK(made.description == "a disk");
    CHECK(made.read_only);
    CHECK(made.no_path_timeout == std::chrono::seconds(60));
    CHECK(made.size_bytes == 1ULL << 30);
    CHECK(made.cache == config::Cache::independent);
    CHECK(made.reinstate == config::Reinstate::manual);
    CHECK(made.eio == config::Eio::verify);
}

TEST_CASE("features beside a table are merged into it") {
    CHECK(table(with_table(plain, "    queue_if_no_path: true\n    no_path_timeout: 9\n")) ==
          "1 queue_if_no_path 0 1 1 round-robin 0 1 1 p1 1");
    CHECK(table(with_table(plain, "    pg_init_retries: 3\n")) ==
          "2 pg_init_retries 3 0 1 1 round-robin 0 1 1 p1 1");
}

TEST_CASE("a feature that the table has already is not repeated") {
    const std::string text = "3 Queue_If_No_Path pg_init_retries 3 0 1 1 round-robin 0 1 1 p1 1";
    CHECK(table(with_table(
              text, "    queue_if_no_path: true\n    pg_init_retries: 3\n    initial_group: 1\n")) == text);
}

TEST_CASE("a key that contradicts the table is a problem") {
    CHECK(errors(with_map(
              with_table("3 queue_if_no_path pg_init_retries 5 0 1 1 round-robin 0 1 1 p1 1",
                         "    queue_if_no_path: false\n    pg_init_retries: 3\n    initial_group: 2\n"))) ==
          Lines{"t.yaml:6:23: queue_if_no_path: false, but the table has it",
                "t.yaml:7:22: pg_init_retries: 3, but the table says 5",
                "t.yaml:8:20: initial_group: 2, but the table says 1"});
}

TEST_CASE("a feature cannot be merged into a table that is wrong") {
    CHECK(errors(with_map(with_table("9 x", "    queue_if_no_path: true\n"))) ==
          Lines{"t.yaml:5:12: table: invalid number of feature args"});
}

TEST_CASE("a table that the core refuses is reported with its text") {
    CHECK(errors(with_map(with_table("0 0 1 1 nonsense 0 1 1 p1 1"))) ==
          Lines{"t.yaml:5:12: map 'm': unknown path selector type"});
    CHECK(errors(with_map(with_table(""))) == Lines{"t.yaml:5:12: map 'm': invalid number of feature args"});
}

TEST_CASE("an unknown path of a table is reported with the nearest one") {
    CHECK(errors(with_map(with_table("0 0 1 1 round-robin 0 1 1 p9 1"))) ==
          Lines{"t.yaml:5:12: map 'm': error getting device: no path 'p9' (did you mean 'p1'?)"});
}

TEST_CASE("a map needs one form, and only one") {
    CHECK(errors(with_map("    size: 1G\n")) ==
          Lines{"t.yaml:4:3: map 'm' needs 'table' or 'priority_groups'"});
    CHECK(errors(with_map(with_table(plain, "    priority_groups: []\n"))).at(0).find("only one of them") !=
          std::string::npos);
}

TEST_CASE("a wrong value of a map is reported at its place") {
    CHECK(errors(with_map(with_table(plain, "    size: 1000\n    cache: mixed\n    reinstate: never\n"
                                            "    pg_init_retries: 51\n    no_path_timeout: soon\n"))) ==
          Lines{"t.yaml:6:11: size: 1000 is not a multiple of 512",
                "t.yaml:7:12: cache: 'mixed' is not one of shared, independent",
                "t.yaml:8:16: reinstate: 'never' is not one of auto, manual",
                "t.yaml:9:22: pg_init_retries: 51 is too large, the most is 50",
                "t.yaml:10:22: no_path_timeout: 'soon' is not a duration (example: 10s, 500ms)"});
}

TEST_CASE("a bound for what is kept makes sense with caches that lose it only") {
    const auto limit = [](const std::string &keys) {
        return parse(with_map(with_table(plain, keys))).maps[0].unflushed_limit_bytes;
    };
    CHECK(limit("    unflushed_limit: 8MiB\n") == std::uint64_t{8} << 20);
    CHECK(limit("    cache: independent\n") == std::uint64_t{64} << 20);
    CHECK(errors(with_map(with_table(plain, "    cache: shared\n    unflushed_limit: 8M\n"))) ==
          Lines{"t.yaml:7:22: unflushed_limit: nothing is kept with 'cache: shared': leave one of them out"});
}

TEST_CASE("a reservation key is hexadecimal, and may outlive a loss of power") {
    const auto map_with = [](const std::string &keys) {
        return parse(with_map(with_table(plain, keys))).maps[0];
    };
    CHECK(map_with("").reservation_key == 0);
    CHECK(map_with("    reservation_key: 0x123abc\n").reservation_key == 0x123abc);
    CHECK_FALSE(map_with("    reservation_key: 0x123abc\n").reservation_survives_power_loss);
    CHECK(map_with("    reservation_key: 0xffffffffffffffff\n").reservation_key == ~std::uint64_t{0});
    CHECK(map_with("    reservation_key: 0x1:aptpl\n").reservation_survives_power_loss);
    for (const char *wrong : {"1234", "0x", "0x0", "0xg", "0x10000000000000000", "0x1:other", ":aptpl"})
        CHECK(errors(with_map(with_table(plain, fmt::format("    reservation_key: \"{}\"\n", wrong)))) ==
              Lines{fmt::format(
                  "t.yaml:6:22: reservation_key: '{}' is not 0x and up to 16 hexadecimal digits, not 0",
                  wrong)});
}

TEST_CASE("compat: kernel brings its defaults, which other keys override") {
    const auto map_with = [](const std::string &keys) {
        return parse(with_map(with_table(plain, keys))).maps[0];
    };
    const config::Map seed = map_with("    compat: seed\n");
    CHECK_FALSE(seed.kernel_compat);
    CHECK_FALSE(seed.cache.has_value());
    CHECK(seed.reinstate == config::Reinstate::automatic);
    const config::Map kernel = map_with("    compat: kernel\n");
    CHECK(kernel.kernel_compat);
    CHECK(kernel.cache == config::Cache::shared);
    CHECK(kernel.reinstate == config::Reinstate::manual);
    CHECK(kernel.no_path_timeout.count() == 0);
    const config::Map other = map_with("    reinstate: auto\n    cache: independent\n    compat: kernel\n");
    CHECK(other.cache == config::Cache::independent);
    CHECK(other.reinstate == config::Reinstate::automatic);
}

TEST_CASE("the hardware handler and its delay are merged into the table") {
    const std::string keys = "    pg_init_delay_msecs: 500\n    hardware_handler: alua 1\n";
    const std::string merged = "2 pg_init_delay_msecs 500 2 alua 1 1 1 round-robin 0 1 1 p1 1";
    CHECK(table(with_table(plain, keys)) == merged);
    CHECK(table(with_table(merged, keys)) == merged);
    CHECK(table("    priority_groups: [{selector: round-robin, paths: [p1]}]\n" + keys) == merged);
    CHECK(
        errors(with_map(with_table(merged, "    pg_init_delay_msecs: 501\n    hardware_handler: alua\n"))) ==
        Lines{"t.yaml:6:26: pg_init_delay_msecs: 501, but the table says 500",
              "t.yaml:7:23: hardware_handler: alua, but the table says alua 1"});
    CHECK(errors(with_map(with_table(plain, "    pg_init_delay_msecs: 60001\n"))) ==
          Lines{"t.yaml:6:26: pg_init_delay_msecs: 60001 is too large, the most is 60000"});
}

TEST_CASE("queueing without a timeout is warned of, in both forms") {
    const Lines warning{
        "t.yaml:4:3: warning: map 'm' queues without end while it has no path: set no_path_timeout "
        "(example: no_path_timeout: 60s)"};
    CHECK(parse(with_map(with_table("1 queue_if_no_path 0 1 1 round-robin 0 1 1 p1 1"))).warnings == warning);
    CHECK(
        parse(
            with_map(
                "    queue_if_no_path: true\n    priority_groups: [{selector: round-robin, paths: [p1]}]\n"))
            .warnings == warning);
    CHECK(parse(with_map(with_table(plain, "    queue_if_no_path: yes\n    no_path_timeout: 1m\n")))
              .warnings.empty());
}

TEST_CASE("map names follow the rules of path names and are there once") {
    CHECK(errors(with_listen("multipaths:\n  a b: {table: x}\n  OK: {table: x}\n")).size() == 2);
    CHECK(errors(with_listen("multipaths:\n  a: {table: x}\n  a: {table: x}\n")) ==
          Lines{"t.yaml:4:3: multipaths: duplicate 'a' (first in line 3)"});
}

TEST_CASE("a map that is no mapping is reported once") {
    CHECK(errors(with_listen("multipaths:\n  a: 0 0 1 1\n")).size() == 1);
}

TEST_CASE("a fingerprint is some ranges of the disk, with or without their hashes") {
    const std::string hash(64, 'A');
    const auto ranges = map(with_table(plain, "    fingerprint: [0+4K, 1M+512=" + hash + "]\n")).fingerprint;
    REQUIRE(ranges.size() == 2);
    CHECK(ranges[0].offset == 0);
    CHECK(ranges[0].length == 4096);
    CHECK(ranges[0].sha256.empty());
    CHECK(ranges[1].offset == 1 << 20);
    CHECK(ranges[1].length == 512);
    CHECK(ranges[1].sha256 == std::string(64, 'a'));
    CHECK(map(with_table(plain, "    fingerprint: 0+1M\n")).fingerprint.size() == 1);
    CHECK(map(std::string(with_table(plain))).fingerprint.empty());
    const std::pair<std::string, std::string_view> wrong[] = {
        {"4K", "'4K' is not OFFSET+LENGTH"},
        {"0+0", "at least 512 bytes"},
        {"0+100", "100 is not a multiple of 512"},
        {"1+512", "1 is not a multiple of 512"},
        {"0+x", "'x' is not a size"},
        {"0+", "'' is not a size"},
        {"0+4K=12", "'12' is not a SHA-256"},
        {"0+4K=" + std::string(64, 'g'), "is not a SHA-256"},
        {"0+1025K", "more than 1048576 bytes"},
        {"[0+1M, 2M+512]", "more than 1048576 bytes"},
        {"[0+8388607T, 0+8388607T, 0+8388607T]", "more than 1048576 bytes"},
        {"[0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+512,0+"
         "512]",
         "17 ranges are too many"},
        {"{a: b}", "expected a list"},
    };
    for (const auto &row : wrong) {
        CAPTURE(row.first);
        const auto lines = errors(with_map(with_table(plain, "    fingerprint: " + row.first + "\n")));
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].find(row.second) != std::string::npos);
    }
}
