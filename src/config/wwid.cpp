// SPDX-License-Identifier: BSD-3-Clause
#include "config/wwid.hpp"

#include "base/error.hpp"
#include "config/problem.hpp"

#include <algorithm>

namespace config {

namespace {

constexpr std::size_t longest_text = 200;
constexpr std::string_view hexadecimal_digits = "0123456789abcdef";

struct Form {
    std::string_view word;
    char digit; ///< that stands for it
};
constexpr Form forms[] = {{"naa.", '3'}, {"eui.", '2'}, {"t10.", '1'}};

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

/// One '_' for each stretch of blanks and of '_', none at the ends.
std::string folded(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const bool is_blank = c == ' ' || c == '_';
        if (!is_blank)
            result += c;
        else if (!result.empty() && result.back() != '_')
            result += '_';
    }
    if (result.ends_with('_'))
        result.pop_back();
    return result;
}

void check_text(std::string_view text) {
    if (text.empty() || text.size() > longest_text ||
        !std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; }))
        throw base::Error(EINVAL, "after 't10.' come 1 to {} characters of ASCII", longest_text);
}

void check_digits(std::string_view word, std::string_view digits) {
    const std::size_t count = digits.size();
    if (digits.find_first_not_of(hexadecimal_digits) != std::string_view::npos)
        throw base::Error(EINVAL, "'{}' is not hexadecimal", shown(digits));
    if (word == "eui." && count != 16 && count != 24 && count != 32)
        throw base::Error(EINVAL, "after 'eui.' come 16, 24 or 32 digits, not {}", count);
    if (word == "eui.")
        return;
    const char kind = digits.empty() ? '0' : digits.front();
    if (kind != '2' && kind != '3' && kind != '5' && kind != '6')
        throw base::Error(EINVAL, "after 'naa.' comes one of the digits 2, 3, 5 and 6");
    if (const std::size_t right = kind == '6' ? 32 : 16; count != right)
        throw base::Error(EINVAL, "after 'naa.' that begins with {} come {} digits, not {}", kind, right,
                          count);
}

} // namespace

std::string parse_wwid(std::string_view text) {
    for (const Form &form : forms) {
        const bool has_word = lower(text.substr(0, form.word.size())) == form.word;
        if (!has_word && !text.starts_with(form.digit))
            continue;
        const std::string_view rest = text.substr(has_word ? form.word.size() : 1);
        const std::string name = form.digit == '1' ? folded(rest) : lower(rest);
        if (form.digit == '1')
            check_text(name);
        else
            check_digits(form.word, name);
        return std::string(form.word) + name;
    }
    throw base::Error(EINVAL,
                      "'{}' is not the name of a unit (example: naa.6001405aabbccddeeff0011223344556)",
                      shown(text));
}

} // namespace config
