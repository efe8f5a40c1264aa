// SPDX-License-Identifier: BSD-3-Clause
#include "config/table_text.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/problem.hpp"

#include <limits>

namespace config {

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t most_sectors = std::numeric_limits<std::int64_t>::max() / sector_bytes;

} // namespace

TableText::TableText(std::string_view text)
    : words_(base::split_words(text)) {
    if (words_.size() < 3 || words_[2] != "multipath")
        return;
    const auto sectors = base::parse_number(words_[1]);
    if (words_[0] != "0")
        throw base::Error(EINVAL, "a table starts at sector 0, not at '{}'", shown(words_[0]));
    if (!sectors || *sectors == 0 || *sectors > most_sectors)
        throw base::Error(EINVAL, "'{}' is not a number of sectors", shown(words_[1]));
    size_bytes_ = *sectors * sector_bytes;
    words_.erase(words_.begin(), words_.begin() + 3);
}

std::optional<std::size_t> TableText::feature_count() const {
    const auto count = words_.empty() ? std::nullopt : base::parse_number(words_[0]);
    return count && *count < words_.size() ? std::optional<std::size_t>(*count) : std::nullopt;
}

bool TableText::has_queue_if_no_path() const {
    const std::size_t count = feature_count().value_or(0);
    for (std::size_t i = 1; i <= count; ++i)
        if (base::equal_ignoring_case(words_[i], "queue_if_no_path"))
            return true;
    return false;
}

std::optional<std::string> TableText::pg_init_retries() const {
    const std::size_t count = feature_count().value_or(0);
    std::optional<std::string> found;
    // The last one counts, as in the kernel.
    for (std::size_t i = 1; i < count; ++i)
        if (base::equal_ignoring_case(words_[i], "pg_init_retries"))
            found = words_[++i];
    return found;
}

std::optional<std::string> TableText::initial_group() const {
    const auto features = feature_count();
    if (!features || *features + 1 >= words_.size())
        return std::nullopt;
    const auto handler = base::parse_number(words_[*features + 1]);
    if (!handler || *handler >= words_.size() - *features - 2)
        return std::nullopt;
    const std::size_t position = *features + *handler + 3; // behind the number of groups
    return position < words_.size() ? std::optional(words_[position]) : std::nullopt;
}

bool TableText::add_feature(const std::vector<std::string> &feature) {
    const auto count = feature_count();
    if (!count)
        return false;
    const auto end = words_.begin() + static_cast<std::ptrdiff_t>(*count) + 1;
    words_.insert(end, feature.begin(), feature.end());
    words_[0] = std::to_string(*count + feature.size());
    return true;
}

std::string TableText::text() const {
    std::string line;
    for (const std::string &word : words_) {
        if (!line.empty())
            line += ' ';
        for (const char c : word) {
            if (c == '\\' || std::string_view(" \t\n\r\v\f").find(c) != std::string_view::npos)
                line += '\\';
            line += c;
        }
    }
    return line;
}

} // namespace config
