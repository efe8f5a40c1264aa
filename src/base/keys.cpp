// SPDX-License-Identifier: BSD-3-Clause
#include "base/keys.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace base {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr Unit size_units[] = {
    {"", 1},
    {"K", 1ULL << 10},
    {"M", 1ULL << 20},
    {"G", 1ULL << 30},
    {"T", 1ULL << 40},
    {"KiB", 1ULL << 10},
    {"MiB", 1ULL << 20},
    {"GiB", 1ULL << 30},
    {"TiB", 1ULL << 40},
};
constexpr Unit duration_units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}};

constexpr std::uint64_t size_limit = std::numeric_limits<std::int64_t>::max();
// A hundred years: a deadline of now plus this still fits the clock's nanoseconds.
constexpr std::uint64_t duration_limit = 100ULL * 365 * 24 * 3600 * 1000;

std::optional<std::uint64_t> with_unit(std::string_view text, std::span<const Unit> units,
                                       std::uint64_t limit) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::optional<std::uint64_t> number = parse_number(text.substr(0, end));
    if (!number)
        return std::nullopt;
    for (const Unit &unit : units)
        if (equal_ignoring_case(unit.name, text.substr(end)))
            return *number <= limit / unit.factor ? std::optional(*number * unit.factor) : std::nullopt;
    return std::nullopt;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words)
        if (equal_ignoring_case(text, word))
            return true;
    return false;
}

std::optional<KeyValue> read(KeyKind kind, std::string_view text) {
    switch (kind) {
    case KeyKind::boolean:
        if (is_one_of(text, {"true", "yes", "on"}))
            return true;
        if (is_one_of(text, {"false", "no", "off"}))
            return false;
        return std::nullopt;
    case KeyKind::number:
        return parse_number(text);
    case KeyKind::size:
        return with_unit(text, size_units, size_limit);
    case KeyKind::duration:
        if (const auto value = with_unit(text, duration_units, duration_limit))
            return std::chrono::milliseconds(*value);
        return std::nullopt;
    case KeyKind::text:
        return std::string(text);
    }
    return std::nullopt;
}

std::string_view expectation(KeyKind kind) {
    switch (kind) {
    case KeyKind::boolean:
        return "true or false (example: true)";
    case KeyKind::number:
        return "a number (example: 64)";
    case KeyKind::size:
        return "a size (example: 64M, 4KiB)";
    case KeyKind::duration:
        return "a duration (example: 10s, 500ms)";
    case KeyKind::text:
        break;
    }
    return "a text";
}

} // namespace

KeyValue parse_value(KeyKind kind, std::string_view text) {
    if (std::optional<KeyValue> value = read(kind, text))
        return *std::move(value);
    constexpr std::size_t shown = 60;
    throw Error(EINVAL, "'{}{}' is not {}", text.substr(0, shown), text.size() > shown ? "..." : "",
                expectation(kind));
}

} // namespace base
