// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace command {

/// An option that a command knows.
struct Option {
    std::string_view name; ///< "--size"
    bool has_value = false;
};

/// A command's arguments, parted: options stand before and after the first plain word, whatever begins with
/// `--`; what follows is the command's own, word by word.
class ParsedArguments {
public:
    /// Throws base::Error(EINVAL) for an option that is not known, or lacks its value.
    ParsedArguments(std::span<const std::string> arguments, std::initializer_list<Option> known);

    [[nodiscard]] const std::vector<std::string> &words() const noexcept { return words_; }
    [[nodiscard]] bool has(std::string_view option) const { return options_.contains(option); }
    [[nodiscard]] std::optional<std::string> value(std::string_view option) const;

private:
    std::vector<std::string> words_;
    std::map<std::string, std::string, std::less<>> options_;
};

} // namespace command
