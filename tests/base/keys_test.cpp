// SPDX-License-Identifier: BSD-3-Clause
#include "base/keys.hpp"

#include "base/error.hpp"
#include "fakes/refusal.hpp"

#include <doctest/doctest.h>

using base::KeyKind;
using base::parse_value;
using std::chrono::milliseconds;

namespace {

std::uint64_t size_of(std::string_view text) {
    return std::get<std::uint64_t>(parse_value(KeyKind::size, text));
}
milliseconds duration_of(std::string_view text) {
    return std::get<milliseconds>(parse_value(KeyKind::duration, text));
}
bool boolean_of(std::string_view text) { return std::get<bool>(parse_value(KeyKind::boolean, text)); }

std::string error_of(KeyKind kind, std::string_view text) {
    return fakes::refusal_of([&] { return parse_value(kind, text); });
}

} // namespace

TEST_CASE("a size counts in powers of two, with short and long units") {
    CHECK(size_of("512") == 512);
    CHECK(size_of("4K") == 4096);
    CHECK(size_of("4KiB") == 4096);
    CHECK(size_of("4kib") == 4096);
    CHECK(size_of("1M") == 1 << 20);
    CHECK(size_of("2MiB") == 2 << 20);
    CHECK(size_of("1G") == 1ULL << 30);
    CHECK(size_of("3T") == 3ULL << 40);
}

TEST_CASE("a size that does not fit is refused, not wrapped") {
    CHECK(size_of("8388607T") == 8388607ULL << 40);
    CHECK_THROWS_AS(size_of("8388608T"), base::Error);
    CHECK_THROWS_AS(size_of("18446744073709551616"), base::Error);
}

TEST_CASE("a duration without unit is in seconds") {
    CHECK(duration_of("10") == milliseconds(10'000));
    CHECK(duration_of("0") == milliseconds(0));
    CHECK(duration_of("250ms") == milliseconds(250));
    CHECK(duration_of("5s") == milliseconds(5'000));
    CHECK(duration_of("2m") == milliseconds(120'000));
}

TEST_CASE("a duration beyond a hundred years is refused") {
    CHECK_THROWS_AS(duration_of("99999999999999s"), base::Error);
    CHECK_THROWS_AS(duration_of("18446744073709551615m"), base::Error);
}

TEST_CASE("a boolean may be any of YAML's words") {
    for (const char *word : {"true", "yes", "on", "True", "YES"})
        CHECK(boolean_of(word));
    for (const char *word : {"false", "no", "off", "False", "OFF"})
        CHECK_FALSE(boolean_of(word));
    CHECK_THROWS_AS(boolean_of("1"), base::Error);
    CHECK_THROWS_AS(boolean_of(""), base::Error);
}

TEST_CASE("a number has digits only") {
    CHECK(std::get<std::uint64_t>(parse_value(KeyKind::number, "64")) == 64);
    for (const char *word : {"", " 1", "1 ", "-1", "+1", "0x10", "1e3", "1.5", "18446744073709551616"})
        CHECK_THROWS_AS(parse_value(KeyKind::number, word), base::Error);
}

TEST_CASE("a text is taken as it is") {
    CHECK(std::get<std::string>(parse_value(KeyKind::text, " a b ")) == " a b ");
}

TEST_CASE("a wrong value is named, with what would be right") {
    CHECK(error_of(KeyKind::size, "4KB") == "'4KB' is not a size (example: 64M, 4KiB)");
    CHECK(error_of(KeyKind::duration, "10h") == "'10h' is not a duration (example: 10s, 500ms)");
    CHECK(error_of(KeyKind::boolean, "maybe") == "'maybe' is not true or false (example: true)");
    CHECK(error_of(KeyKind::number, "many") == "'many' is not a number (example: 64)");
}

TEST_CASE("a very long wrong value is cut in the message") {
    CHECK(error_of(KeyKind::number, std::string(5000, 'x')).size() < 120);
}
