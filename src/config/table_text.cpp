// SPDX-License-Identifier: BSD-3-Clause
#include "config/table_text.hpp"

#include "base/text.hpp"

namespace config {

TableText::TableText(std::string_view text)
    : words_(base::split_words(text))
    , size_bytes_(base::take_table_head(words_)) {}

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

std::optional<std::string> TableText::feature_value(std::string_view feature) const {
    const std::size_t count = feature_count().value_or(0);
    std::optional<std::string> found;
    // The last one counts, as in the kernel.
    for (std::size_t i = 1; i < count; ++i)
        if (base::equal_ignoring_case(words_[i], feature))
            found = words_[++i];
    return found;
}

std::optional<std::size_t> TableText::handler_count() const {
    const auto features = feature_count();
    if (!features || *features + 1 >= words_.size())
        return std::nullopt;
    const auto count = base::parse_number(words_[*features + 1]);
    return count && *count < words_.size() - *features - 1 ? std::optional<std::size_t>(*count)
                                                           : std::nullopt;
}

std::vector<std::string> TableText::handler() const {
    const std::size_t count = handler_count().value_or(0);
    if (count == 0)
        return {};
    const auto begin = words_.begin() + static_cast<std::ptrdiff_t>(*feature_count()) + 2;
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

bool TableText::add_handler(const std::vector<std::string> &handler) {
    if (handler_count() != std::size_t{0})
        return false;
    const std::size_t position = *feature_count() + 1;
    words_[position] = std::to_string(handler.size());
    words_.insert(words_.begin() + static_cast<std::ptrdiff_t>(position) + 1, handler.begin(), handler.end());
    return true;
}

std::optional<std::string> TableText::initial_group() const {
    const auto handler = handler_count();
    if (!handler)
        return std::nullopt;
    const std::size_t position = *feature_count() + *handler + 3; // behind the number of groups
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

std::string TableText::text() const { return base::join_words(words_); }

} // namespace config
