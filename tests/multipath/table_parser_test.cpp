// SPDX-License-Identifier: BSD-3-Clause
// The constructor: semantics reference 2.18, scenario 25 with the texts of its column "ours".
#include "rig.hpp"

#include <doctest/doctest.h>
#include <random>

namespace {

struct Devices final : multipath::DeviceSet {
    multipath::PathDevice find(std::string_view name) override {
        asked.emplace_back(name);
        return name.starts_with("P") ? multipath::PathDevice{&device, true} : multipath::PathDevice{};
    }
    fakes::ManualScheduler scheduler;
    std::vector<std::string> journal;
    fakes::FakeDevice device{scheduler, "P", journal};
    std::vector<std::string> asked;
};

/// The error text of a table, or "ok".
std::string parse(const std::string &table) {
    Devices devices;
    try {
        multipath::Table::parse(table, devices);
    } catch (const base::Error &error) {
        CHECK(error.code() == EINVAL);
        return error.what();
    }
    return "ok";
}
/// What TABLE says of a table right after it was made.
std::string table_of(const std::string &table) {
    Devices devices;
    const std::string text = multipath::Table::parse(table, devices)->table_text();
    REQUIRE(text.back() == ' ');
    return text.substr(0, text.size() - 1);
}
const std::string groups = " 0 1 1 round-robin 0 1 1 P1 1";

} // namespace

TEST_CASE("a bad table is refused with the text of the kernel") {
    const std::pair<std::string, std::string> rows[] = {
        {"", "invalid number of feature args"},
        {"x" + groups, "invalid number of feature args"},
        {"9 a b c d e f g h i" + groups, "invalid number of feature args"},
        {"1 nonsense" + groups, "Unrecognised multipath feature request"},
        {"1 pg_init_retries" + groups, "Unrecognised multipath feature request"},
        {"1 pg_init_delay_msecs" + groups, "Unrecognised multipath feature request"},
        {"1 queue_mode" + groups, "Unrecognised multipath feature request"},
        {"2 pg_init_retries 0" + groups, "pg_init_retries must be between 1 and 50"},
        {"2 pg_init_retries 51" + groups, "pg_init_retries must be between 1 and 50"},
        {"2 pg_init_retries 5x" + groups, "pg_init_retries must be between 1 and 50"},
        {"2 pg_init_delay_msecs 60001" + groups, "pg_init_delay_msecs must be between 0 and 60000"},
        {"2 queue_mode fast" + groups, "Unknown 'queue_mode' requested"},
        {"0", "invalid number of hardware handler args"},
        {"0 x 1 1", "invalid number of hardware handler args"},
        {"0 1025 1 1", "invalid number of hardware handler args"},
        {"0 1 nosuch 1 1 round-robin 0 1 1 P1 1", "unknown hardware handler type"},
        {"0 0", "invalid number of priority groups"},
        {"0 0 1025 1", "invalid number of priority groups"},
        {"0 0 -1 1", "invalid number of priority groups"},
        {"0 0 1", "invalid initial priority group number"},
        {"0 0 1 1025", "invalid initial priority group number"},
        {"0 0 1 x", "invalid initial priority group number"},
        {"0 0 0 1", "invalid initial priority group"},
        {"0 0 1 0 round-robin 0 1 1 P1 1", "invalid initial priority group"},
        {"0 0 1 1", "priority group count mismatch"},
        {"0 0 2 1 round-robin 0 1 1 P1 1", "priority group count mismatch"},
        {"0 0 1 1 round-robin 0 1 1 P1 1 round-robin 0 1 1 P2 1", "priority group count mismatch"},
        {"0 0 0 0 round-robin 0 1 1 P1 1", "priority group count mismatch"},
        {"0 0 1 1 round-robin", "not enough priority group arguments"},
        {"0 0 1 1 bogus 0 1 1 P1 1", "unknown path selector type"},
        {"0 0 1 1 Round-Robin 0 1 1 P1 1", "unknown path selector type"},
        {"0 0 1 1 round-robin x 1 1 P1 1", "invalid number of path selector args"},
        {"0 0 1 1 round-robin 1025 1 1 P1 1", "invalid number of path selector args"},
        {"0 0 1 1 round-robin 0", "invalid number of paths"},
        {"0 0 1 1 round-robin 0 0 1", "invalid number of paths"},
        {"0 0 1 1 round-robin 0 1025 1 P1 1", "invalid number of paths"},
        {"0 0 1 1 round-robin 0 1", "invalid number of selector args"},
        {"0 0 1 1 round-robin 0 1 x P1", "invalid number of selector args"},
        {"0 0 1 1 round-robin 0 1 1025 P1", "invalid number of selector args"},
        {"0 0 1 1 round-robin 0 2 1 P1 1", "not enough path parameters"},
        {"0 0 1 1 round-robin 0 1 1 P1", "not enough path parameters"},
        {"0 0 1 1 round-robin 0 1 0", "not enough path parameters"},
        {"0 0 1 1 round-robin 0 1 1 no-such 1", "error getting device"},
        {"0 0 1 1 round-robin 0 1 2 P1 1 1", "round-robin ps: incorrect number of arguments"},
        {"0 0 1 1 round-robin 0 1 1 P1 x", "round-robin ps: invalid repeat count"},
        {"0 0 1 1 round-robin 0 1 1 P1 1x", "round-robin ps: invalid repeat count"},
        {"0 0 1 1 round-robin 0 1 1 P1 -1", "round-robin ps: invalid repeat count"},
        {"0 0 1 1 round-robin 0 1 1 P1 4294967296", "round-robin ps: invalid repeat count"},
    };
    for (const auto &row : rows) {
        const auto &[table, text] = row;
        CAPTURE(row.first);
        CHECK(parse(table) == text);
    }
}

TEST_CASE("a count larger than the words left is an error at the count") {
    CHECK(parse("1") == "invalid number of feature args");
    CHECK(parse("3 queue_if_no_path 0") == "invalid number of feature args");
    CHECK(parse("0 1") == "invalid number of hardware handler args");
    CHECK(parse("0 5 alua 1 1") == "invalid number of hardware handler args");
    CHECK(parse("0 0 1 1 round-robin 4 1 1 P1") == "invalid number of path selector args");
    CHECK(parse("0 0 1 1 round-robin 0 1 3 P1 1") == "not enough path parameters");
}

TEST_CASE("the first error in reading order is the one reported") {
    CHECK(parse("1 nonsense x y z") == "Unrecognised multipath feature request");
    CHECK(parse("0 1 nosuch 0 1") == "unknown hardware handler type");
    CHECK(parse("0 0 9999 9999") == "invalid number of priority groups");
    CHECK(parse("0 0 0 1 bogus 0 1 1 P1 1") == "invalid initial priority group");
    CHECK(parse("0 0 5 1 bogus 0 1 1 P1 1") == "unknown path selector type");
    CHECK(parse("0 0 1 1 round-robin 0 0 x") == "invalid number of paths");
    CHECK(parse("0 0 1 1 round-robin 0 1 1 no-such x") == "error getting device");
    CHECK(parse("0 0 1 1 historical-service-time 1 1024 1 1 P1 1") == "path selector constructor failed");
    CHECK(parse("0 0 1 1 round-robin 0 2 1 P1 x") == "round-robin ps: invalid repeat count");
    CHECK(parse("0 0 7 1 round-robin 0 1 1 P1 1 round-robin") == "not enough priority group arguments");
}

TEST_CASE("path names are looked up in order, up to the first error") {
    Devices devices;
    CHECK_THROWS_AS(multipath::Table::parse("0 0 1 1 round-robin 0 4 0 P2 P1 Q P3", devices), base::Error);
    CHECK(devices.asked == std::vector<std::string>{"P2", "P1", "Q"});
}

TEST_CASE("features are taken in any order and case, and repeated") {
    CHECK(table_of("1 QUEUE_if_no_PATH" + groups) == "1 queue_if_no_path" + groups);
    CHECK(table_of("3 Pg_Init_Retries 7 queue_if_no_path" + groups) ==
          "3 queue_if_no_path pg_init_retries 7" + groups);
    CHECK(table_of("2 queue_if_no_path queue_if_no_path" + groups) == "1 queue_if_no_path" + groups);
    CHECK(table_of("4 pg_init_retries 7 pg_init_retries 8" + groups) == "2 pg_init_retries 8" + groups);
    CHECK(table_of("7 queue_mode BIO pg_init_delay_msecs 0 queue_if_no_path pg_init_retries 50" + groups) ==
          "7 queue_if_no_path pg_init_retries 50 pg_init_delay_msecs 0 queue_mode bio" + groups);
}

TEST_CASE("features without effect are accepted and not shown") {
    CHECK(table_of("1 retain_attached_hw_handler" + groups) == "0" + groups);
    CHECK(table_of("2 queue_mode mq" + groups) == "0" + groups);
    CHECK(table_of("2 queue_mode rq" + groups) == "0" + groups);
    CHECK(table_of("4 queue_mode bio queue_mode rq" + groups) == "0" + groups);
}

TEST_CASE("a table without groups is allowed") {
    CHECK(parse("0 0 0 0") == "ok");
    CHECK(table_of("1 queue_if_no_path 0 0 0") == "1 queue_if_no_path 0 0 0");
}

TEST_CASE("arguments of round-robin itself are ignored") {
    CHECK(table_of("0 0 1 1 round-robin 2 any thing 1 1 P1 5") == "0 0 1 1 round-robin 0 1 1 P1 5");
}

TEST_CASE("without a repeat count round-robin uses 1") {
    CHECK(table_of("0 0 1 1 round-robin 0 2 0 P1 P2") == "0 0 1 1 round-robin 0 2 1 P1 1 P2 1");
}

TEST_CASE("a backslash makes the next character of a table literal") {
    CHECK(parse("0 0 1 1 round-robin 0 1 1 P\\ 1 1") == "ok");
    Devices devices;
    multipath::Table::parse("0 0 1 1 round\\-robin 0 1 0 P\\ a\\\\b", devices);
    CHECK(devices.asked == std::vector<std::string>{"P a\\b"});
}

TEST_CASE("blanks of every kind and number separate words") {
    CHECK(parse("  0\t0 1 \n 1 round-robin   0 1 1 P1 1  ") == "ok");
}

TEST_CASE("what TABLE prints makes the same table again") {
    for (const std::string &table :
         {T1, T2, T3, T4, queueing(T4), std::string("0 0 0 0"),
          std::string("7 queue_if_no_path pg_init_retries 3 pg_init_delay_msecs 1 queue_mode bio"
                      " 0 2 2 round-robin 0 1 1 P1 0 round-robin 0 1 1 P2 4294967295")})
        CHECK(table_of(table) == table);
}

TEST_CASE("mangled tables are refused or made, never worse") {
    std::mt19937 random(20260101);
    const std::vector<std::string> pieces = {"0",
                                             "1",
                                             "2",
                                             "9",
                                             "1024",
                                             "1025",
                                             "-1",
                                             "4294967296",
                                             "P1",
                                             "P2",
                                             "Q",
                                             "round-robin",
                                             "queue_if_no_path",
                                             "pg_init_retries",
                                             "queue_mode",
                                             "bio",
                                             "\\",
                                             "x",
                                             "99999999999999999999"};
    const auto below = [&random](std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
    };
    int made = 0;
    for (int round = 0; round < 4000; ++round) {
        auto words = base::split_words(round % 2 != 0 ? queueing(T4) : T3);
        for (std::size_t change = below(4) + 1; change > 0 && !words.empty(); --change) {
            const auto at = words.begin() + static_cast<std::ptrdiff_t>(below(words.size()));
            switch (below(4)) {
            case 0:
                words.erase(at);
                break;
            case 1:
                words.insert(at, pieces[below(pieces.size())]);
                break;
            case 2:
                *at = pieces[below(pieces.size())];
                break;
            default:
                words.resize(static_cast<std::size_t>(at - words.begin()));
                break;
            }
        }
        std::string table;
        for (const std::string &word : words)
            table += word + " ";
        Devices devices;
        try {
            const auto parsed = multipath::Table::parse(table, devices);
            const std::string text = parsed->table_text();
            Devices again;
            CHECK(multipath::Table::parse(text, again)->table_text() == text);
            ++made;
        } catch (const base::Error &error) {
            CHECK(error.code() == EINVAL);
            CHECK(std::string_view(error.what()) != "");
        }
    }
    CHECK(made > 0);
}
