// SPDX-License-Identifier: BSD-3-Clause
#include "selector/path_arguments.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <limits>

namespace selector {

namespace {

constexpr unsigned any_number = std::numeric_limits<unsigned>::max();

} // namespace

PathArguments::PathArguments(std::string_view selector, Words words, std::size_t most, Rules rules)
    : selector_(selector)
    , words_(words)
    , rules_(rules) {
    if (words_.size() > most)
        throw base::Error(EINVAL, "{} ps: incorrect number of arguments", selector_);
}

unsigned PathArguments::repeat_count() const {
    const unsigned count = number(0, 1, any_number, "repeat count");
    return rules_.repeat_counts_are_one ? std::min(count, 1U) : count;
}

unsigned PathArguments::number(std::size_t position, unsigned absent, unsigned maximum,
                               std::string_view name) const {
    if (position >= words_.size())
        return absent;
    const auto value = parse_argument(words_[position], rules_);
    if (!value || *value > maximum)
        throw base::Error(EINVAL, "{} ps: invalid {}", selector_, name);
    return *value;
}

std::optional<unsigned> parse_argument(const std::string &word, Rules rules) {
    if (rules.numbers_wrap)
        return base::parse_wrapping_number(word);
    const auto value = base::parse_number(word);
    return value && *value <= any_number ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

} // namespace selector
