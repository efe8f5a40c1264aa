// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// The words of a dm multipath table (semantics reference 2.18), as far as the configuration must know them:
/// the line's head, and the feature words that keys beside the table are merged into. Everything else is the
/// core's to check.
class TableText {
public:
    /// With or without `0 <sectors> multipath` in front. Throws base::Error when that head is wrong.
    explicit TableText(std::string_view text);
    /// A table without features and handler; the priority groups are appended.
    TableText()
        : words_{"0", "0"} {}

    /// Of the head, if there was one.
    [[nodiscard]] std::optional<std::uint64_t> size_bytes() const noexcept { return size_bytes_; }

    [[nodiscard]] bool has_queue_if_no_path() const;
    /// The word behind a feature as it stands there, if it does.
    [[nodiscard]] std::optional<std::string> feature_value(std::string_view feature) const;
    [[nodiscard]] std::optional<std::string> initial_group() const;
    /// The hardware handler and its arguments.
    [[nodiscard]] std::vector<std::string> handler() const;

    /// Adds a feature to the end of the feature words. False when these are not understood.
    bool add_feature(const std::vector<std::string> &feature);
    /// The same for the hardware handler, of a table that has none.
    bool add_handler(const std::vector<std::string> &handler);
    void append(std::string_view word) { words_.emplace_back(word); }
    void append(std::size_t number) { words_.push_back(std::to_string(number)); }

    /// One line, one blank between words, what dm's splitting would change escaped.
    [[nodiscard]] std::string text() const;

private:
    /// How many feature words there are; nothing when the count is wrong.
    [[nodiscard]] std::optional<std::size_t> feature_count() const;
    [[nodiscard]] std::optional<std::size_t> handler_count() const;

    std::vector<std::string> words_;
    std::optional<std::uint64_t> size_bytes_;
};

} // namespace config
