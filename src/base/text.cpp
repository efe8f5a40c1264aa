// SPDX-License-Identifier: BSD-3-Clause
#include "base/text.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>

namespace base {

namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substituted = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
        }
    }
    return row[b.size()];
}

} // namespace

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_blank(text[i])) {
            if (inside)
                words.push_back(std::move(word));
            word.clear();
            inside = false;
            continue;
        }
        inside = true;
        if (text[i] != '\\')
            word += text[i];
        else if (i + 1 < text.size())
            word += text[++i];
    }
    if (inside)
        words.push_back(std::move(word));
    return words;
}

std::string join_words(std::span<const std::string> words) {
    std::string line;
    for (const std::string &word : words) {
        if (!line.empty())
            line += ' ';
        for (const char c : word) {
            if (c == '\\' || is_blank(c))
                line += '\\';
            line += c;
        }
    }
    return line;
}

std::optional<std::uint64_t> take_table_head(std::vector<std::string> &words) {
    constexpr std::uint64_t sector_bytes = 512;
    constexpr std::uint64_t most_sectors = std::numeric_limits<std::int64_t>::max() / sector_bytes;
    constexpr std::size_t longest_quote = 64;
    if (words.size() < 3 || words[2] != "multipath")
        return std::nullopt;
    if (words[0] != "0")
        throw Error(EINVAL, "a table starts at sector 0, not at '{}'", words[0].substr(0, longest_quote));
    const auto sectors = parse_number(words[1]);
    if (!sectors || *sectors == 0 || *sectors > most_sectors)
        throw Error(EINVAL, "'{}' is not a number of sectors", words[1].substr(0, longest_quote));
    words.erase(words.begin(), words.begin() + 3);
    return *sectors * sector_bytes;
}

std::string_view name_problem(std::string_view name) noexcept {
    constexpr std::size_t longest_name = 127;
    const auto is_name_character = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("_.:@+-").find(c) != std::string_view::npos;
    };
    if (name.empty() || name.size() > longest_name || !std::ranges::all_of(name, is_name_character))
        return "1 to 127 characters of A-Z a-z 0-9 _ . : @ + -";
    if (name == "OK" || name.starts_with("ERR"))
        return "the admin protocol ends its replies with it";
    return {};
}

std::string_view nearest_word(std::string_view word, const std::vector<std::string_view> &candidates) {
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::optional<std::uint64_t> parse_number(std::string_view word) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || word.empty())
        return std::nullopt;
    return value;
}

std::optional<std::uint32_t> parse_wrapping_number(std::string_view word) noexcept {
    std::uint32_t value = 0;
    for (const char c : word) {
        if (c < '0' || c > '9')
            return std::nullopt;
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return word.empty() ? std::nullopt : std::optional(value);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

} // namespace base
