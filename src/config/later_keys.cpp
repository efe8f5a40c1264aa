// SPDX-License-Identifier: BSD-3-Clause
#include "config/later_keys.hpp"

#include <algorithm>
#include <array>

namespace config {

namespace {

using enum base::KeyKind;

struct LaterKey {
    std::string_view section;
    std::string_view name;
    base::KeyKind kind;
    std::string_view accepted; ///< what is no problem, a|b; empty: any value would be ignored
    std::array<std::string_view, 4> choices = {}; ///< of a text; empty: any
};

// The step that brings a key deletes its row here.
constexpr LaterKey later_keys[] = {
    {"configuration", "metrics", text, ""},
};

std::optional<base::KeyValue> read(Section &section, const LaterKey &row) {
    const auto end = std::ranges::find(row.choices, std::string_view());
    if (end == row.choices.begin())
        return section.value(row.name, row.kind);
    if (const auto word = section.choice(row.name, std::span(row.choices.begin(), end)))
        return *word;
    return std::nullopt;
}

bool is_accepted(const LaterKey &row, const base::KeyValue &value) {
    for (std::string_view left = row.accepted; !left.empty();) {
        const std::size_t bar = std::min(left.find('|'), left.size());
        if (value == base::parse_value(row.kind, left.substr(0, bar)))
            return true;
        left.remove_prefix(std::min(bar + 1, left.size()));
    }
    return false;
}

} // namespace

void refuse_later_keys(Section &section, std::string_view section_name, const Reading &reading) {
    for (const LaterKey &row : later_keys) {
        if (row.section != section_name || section.asked(row.name))
            continue;
        const std::optional<base::KeyValue> value = read(section, row);
        if (!value || is_accepted(row, *value))
            continue;
        reading.problem(*section.find(row.name), "{}: not supported yet{}", row.name,
                        row.accepted.empty() ? "" : fmt::format(" (only '{}')", row.accepted));
    }
}

} // namespace config
