// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/keys.hpp"
#include "config/document.hpp"

#include <chrono>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <span>

namespace config {

/// What the reading of one configuration needs everywhere.
struct Reading {
    const std::string &file;
    Problems &problems;

    [[nodiscard]] Where where(const Node &node) const { return {file, node.line, node.column}; }
    template <typename... Arguments>
    void problem(const Node &node, fmt::format_string<Arguments...> format, Arguments &&...arguments) const {
        problems.add(where(node), format, std::forward<Arguments>(arguments)...);
    }
};

struct Range {
    std::uint64_t least = 0;
    std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
};

/// Reads one mapping whose keys are known: each key that is asked for becomes a known one, finish() reports
/// the others. What is wrong is added to the problems and then counts as absent, so reading goes on.
class Section {
public:
    /// `name` is for messages ("limits"). Nothing (`limits:` alone) is an empty mapping.
    Section(const Node &node, std::string name, const Reading &reading);

    /// The value of a key, or nullptr. It may be empty (`key:` alone).
    const Node *find(std::string_view key);
    [[nodiscard]] bool asked(std::string_view key) const { return known_.contains(key); }

    std::optional<base::KeyValue> value(std::string_view key, base::KeyKind kind);
    std::optional<bool> boolean(std::string_view key);
    std::optional<std::uint64_t> number(std::string_view key, Range range);
    std::optional<std::uint64_t> size(std::string_view key, Range range);
    std::optional<std::chrono::milliseconds> duration(std::string_view key);
    std::optional<std::string> text(std::string_view key);
    std::optional<std::string> choice(std::string_view key, std::span<const std::string_view> choices);
    std::optional<std::string> choice(std::string_view key, std::initializer_list<std::string_view> choices) {
        return choice(key, std::span(choices.begin(), choices.size()));
    }

    [[nodiscard]] const Node &node() const noexcept { return node_; }
    /// Reports keys that nobody asked for, each with the nearest known one.
    void finish();

private:
    template <typename T>
    std::optional<T> typed(std::string_view key, base::KeyKind kind);
    std::optional<std::uint64_t> in_range(std::string_view key, base::KeyKind kind, Range range);

    const Node &node_;
    std::string name_;
    const Reading &reading_;
    std::set<std::string_view> known_;
};

/// The entries of a mapping whose keys are the user's (paths, multipaths), each key once. Reports what is not
/// a mapping, what is not a text and duplicates.
std::vector<Node::Entry> unique_entries(const Node &node, std::string_view name, const Reading &reading);

/// The items of a list; reports what is not one. Nothing is an empty list.
const std::vector<const Node *> &items_of(const Node &node, std::string_view name, const Reading &reading);

/// The text of a scalar; reports anything else.
std::optional<std::string> text_of(const Node &node, std::string_view name, const Reading &reading);

/// " (did you mean 'x'?)", or nothing when no candidate is near.
std::string hint(std::string_view word, const std::vector<std::string_view> &candidates);

} // namespace config
