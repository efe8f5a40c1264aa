// SPDX-License-Identifier: BSD-3-Clause
#include "config/section.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <map>

namespace config {

namespace {

// A hint costs time in the length of the word: there is none for what is no word.
constexpr std::size_t longest_hinted = 127;

std::string_view wanted(base::KeyKind kind) {
    switch (kind) {
    case base::KeyKind::boolean:
        return "true or false";
    case base::KeyKind::number:
        return "a number (example: 64)";
    case base::KeyKind::size:
        return "a size (example: 64M)";
    case base::KeyKind::duration:
        return "a duration (example: 10s)";
    case base::KeyKind::text:
        break;
    }
    return "a text";
}

} // namespace

std::string hint(std::string_view word, const std::vector<std::string_view> &candidates) {
    const std::string_view nearest =
        word.size() <= longest_hinted ? base::nearest_word(word, candidates) : std::string_view();
    return nearest.empty() ? std::string() : fmt::format(" (did you mean '{}'?)", nearest);
}

std::vector<Node::Entry> unique_entries(const Node &node, std::string_view name, const Reading &reading) {
    if (node.kind != Node::Kind::mapping && node.kind != Node::Kind::empty)
        reading.problem(node, "{}: expected a mapping (key: value), not {}", name, kind_name(node));
    std::map<std::string_view, const Node *> seen;
    std::vector<Node::Entry> entries;
    for (const auto &[key, value] : node.entries) {
        if (key->kind != Node::Kind::scalar) {
            reading.problem(*key, "{}: a key must be a text, not {}", name, kind_name(*key));
            continue;
        }
        const auto [first, fresh] = seen.emplace(key->text, key);
        if (fresh)
            entries.emplace_back(key, value);
        else
            reading.problem(*key, "{}: duplicate '{}' (first in line {})", name, shown(key->text),
                            first->second->line);
    }
    return entries;
}

const std::vector<const Node *> &items_of(const Node &node, std::string_view name, const Reading &reading) {
    if (node.kind != Node::Kind::sequence && node.kind != Node::Kind::empty)
        reading.problem(node, "{}: expected a list (- item), not {}", name, kind_name(node));
    return node.items;
}

std::optional<std::string> text_of(const Node &node, std::string_view name, const Reading &reading) {
    if (node.kind == Node::Kind::scalar)
        return node.text;
    reading.problem(node, "{}: expected a text, not {}", name, kind_name(node));
    return std::nullopt;
}

Section::Section(const Node &node, std::string name, const Reading &reading)
    : node_(node)
    , name_(std::move(name))
    , reading_(reading) {
    unique_entries(node, name_, reading);
}

const Node *Section::find(std::string_view key) {
    known_.insert(key);
    for (const auto &[name, value] : node_.entries)
        if (name->kind == Node::Kind::scalar && name->text == key)
            return value;
    return nullptr;
}

std::optional<base::KeyValue> Section::value(std::string_view key, base::KeyKind kind) {
    const Node *node = find(key);
    if (node == nullptr)
        return std::nullopt;
    if (node->kind != Node::Kind::scalar) {
        reading_.problem(*node, "{}: expected {}, not {}", key, wanted(kind), kind_name(*node));
        return std::nullopt;
    }
    try {
        return base::parse_value(kind, node->text);
    } catch (const base::Error &error) {
        reading_.problem(*node, "{}: {}", key, error.what());
        return std::nullopt;
    }
}

template <typename T>
std::optional<T> Section::typed(std::string_view key, base::KeyKind kind) {
    std::optional<base::KeyValue> found = value(key, kind);
    return found ? std::optional(std::get<T>(*std::move(found))) : std::nullopt;
}

std::optional<std::uint64_t> Section::in_range(std::string_view key, base::KeyKind kind, Range range) {
    const auto found = typed<std::uint64_t>(key, kind);
    if (!found || (*found >= range.least && *found <= range.most))
        return found;
    const Node &node = *find(key);
    if (*found < range.least)
        reading_.problem(node, "{}: {} is too small, the least is {}", key, shown(node.text), range.least);
    else
        reading_.problem(node, "{}: {} is too large, the most is {}", key, shown(node.text), range.most);
    return std::nullopt;
}

std::optional<bool> Section::boolean(std::string_view key) {
    return typed<bool>(key, base::KeyKind::boolean);
}

std::optional<std::uint64_t> Section::number(std::string_view key, Range range) {
    return in_range(key, base::KeyKind::number, range);
}

std::optional<std::uint64_t> Section::size(std::string_view key, Range range) {
    return in_range(key, base::KeyKind::size, range);
}

std::optional<std::chrono::milliseconds> Section::duration(std::string_view key) {
    return typed<std::chrono::milliseconds>(key, base::KeyKind::duration);
}

std::optional<std::string> Section::text(std::string_view key) {
    return typed<std::string>(key, base::KeyKind::text);
}

std::optional<std::string> Section::choice(std::string_view key, std::span<const std::string_view> choices) {
    std::optional<std::string> word = text(key);
    if (!word || std::ranges::find(choices, *word) != choices.end())
        return word;
    const std::vector<std::string_view> candidates(choices.begin(), choices.end());
    reading_.problem(*find(key), "{}: '{}' is not one of {}{}", key, shown(*word), fmt::join(choices, ", "),
                     hint(*word, candidates));
    return std::nullopt;
}

void Section::finish() {
    const std::vector<std::string_view> candidates(known_.begin(), known_.end());
    for (const auto &[key, value] : node_.entries) {
        if (reading_.problems.full())
            return;
        if (key->kind == Node::Kind::scalar && !known_.contains(key->text))
            reading_.problem(*key, "{}: unknown key '{}'{}", name_, shown(key->text),
                             hint(key->text, candidates));
    }
}

} // namespace config
