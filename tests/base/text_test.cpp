// SPDX-License-Identifier: BSD-3-Clause
#include "base/text.hpp"

#include <doctest/doctest.h>

using Words = std::vector<std::string>;

TEST_CASE("words are split on any run of blanks, tabs and newlines") {
    CHECK(base::split_words("1 a\t b\n  c ") == Words{"1", "a", "b", "c"});
    CHECK(base::split_words("").empty());
    CHECK(base::split_words(" \t\n").empty());
}

TEST_CASE("a backslash makes the next character literal") {
    CHECK(base::split_words("a\\ b c") == Words{"a b", "c"});
    CHECK(base::split_words("a\\\\b") == Words{"a\\b"});
}

TEST_CASE("a backslash at the end is dropped") { CHECK(base::split_words("ab\\") == Words{"ab"}); }

TEST_CASE("joined words are split into the same words") {
    const Words words{"a b", "c\\d", "e\tf", "g"};
    CHECK(base::join_words(words) == "a\\ b c\\\\d e\\\tf g");
    CHECK(base::split_words(base::join_words(words)) == words);
    CHECK(base::join_words(Words{}).empty());
}

TEST_CASE("the head of a dm line is taken off a table, if there is one") {
    Words words{"0", "8", "multipath", "0", "0"};
    CHECK(base::take_table_head(words) == 4096);
    CHECK(words == Words{"0", "0"});
    CHECK_FALSE(base::take_table_head(words).has_value());
    for (Words wrong :
         {Words{"8", "8", "multipath"}, Words{"0", "0", "multipath"}, Words{"0", "x", "multipath"}})
        CHECK_THROWS(base::take_table_head(wrong));
}

TEST_CASE("the nearest word is the one with the fewest changes") {
    CHECK(base::nearest_word("tabel", {"paths", "table", "size"}) == "table");
    CHECK(base::nearest_word("Threads", {"threads", "limits"}) == "threads");
    CHECK(base::nearest_word("queue_if_no_pth", {"queue_if_no_path", "no_path_timeout"}) ==
          "queue_if_no_path");
}

TEST_CASE("there is no nearest word when none is near") {
    CHECK(base::nearest_word("completely_else", {"paths", "table"}).empty());
    CHECK(base::nearest_word("x", {}).empty());
}

TEST_CASE("a number fills the whole word") {
    CHECK(base::parse_number("0") == 0);
    CHECK(base::parse_number("18446744073709551615") == UINT64_MAX);
    for (const char *word : {"", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616"})
        CHECK_FALSE(base::parse_number(word).has_value());
}

TEST_CASE("a wrapping number is taken modulo 2^32, however long it is") {
    CHECK(base::parse_wrapping_number("0") == 0U);
    CHECK(base::parse_wrapping_number("4294967295") == 4294967295U);
    CHECK(base::parse_wrapping_number("4294967297") == 1U);
    CHECK(base::parse_wrapping_number("18446744073709551618") == 2U);
    CHECK(base::parse_wrapping_number("340282366920938463463374607431768211459") == 3U); // 2^128 + 3
    for (const char *word : {"", "-1", "+1", " 1", "1 ", "1x", "0x1"})
        CHECK_FALSE(base::parse_wrapping_number(word).has_value());
}

TEST_CASE("words are compared without regard to case") {
    CHECK(base::equal_ignoring_case("Queue_If_No_Path", "queue_if_no_path"));
    CHECK_FALSE(base::equal_ignoring_case("a", "ab"));
    CHECK(base::equal_ignoring_case("", ""));
}
