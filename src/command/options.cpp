// SPDX-License-Identifier: BSD-3-Clause
#include "command/options.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace command {

namespace {
constexpr std::size_t longest_quote = 64;
} // namespace

ParsedArguments::ParsedArguments(std::span<const std::string> arguments,
                                 std::initializer_list<Option> known) {
    while (!arguments.empty()) {
        const std::string &word = arguments.front();
        arguments = arguments.subspan(1);
        const bool plain_ones_follow = words_.size() == 1 && !word.starts_with("--");
        if (!word.starts_with("--"))
            words_.push_back(word);
        if (plain_ones_follow)
            break;
        if (!word.starts_with("--"))
            continue;
        const auto option = std::ranges::find(known, std::string_view(word), &Option::name);
        if (option == known.end())
            throw base::Error(EINVAL, "unknown option '{}'", word.substr(0, longest_quote));
        if (option->has_value && arguments.empty())
            throw base::Error(EINVAL, "{} needs a value", word);
        options_[word] = option->has_value ? arguments.front() : std::string();
        if (option->has_value)
            arguments = arguments.subspan(1);
    }
    words_.insert(words_.end(), arguments.begin(), arguments.end());
}

std::optional<std::string> ParsedArguments::value(std::string_view option) const {
    const auto found = options_.find(option);
    return found != options_.end() ? std::optional(found->second) : std::nullopt;
}

} // namespace command
