// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/problem.hpp"

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace config {

/// One node of a YAML text with its place. Unlike yaml-cpp's own tree it keeps duplicate keys and the order.
struct Node {
    enum class Kind { empty, scalar, sequence, mapping };
    using Entry = std::pair<const Node *, const Node *>; ///< key and value

    Kind kind = Kind::empty;
    int line = 1;
    int column = 1;
    std::size_t weight = 1; ///< nodes in it, with what its aliases stand for
    std::string text;       ///< of a scalar
    std::vector<const Node *> items;
    std::vector<Entry> entries;
};

/// "a list", "a text"… for messages.
std::string_view kind_name(const Node &node) noexcept;

/// A YAML text as a tree of nodes. Throws config::Error for what is not YAML, is empty, has a second
/// document, is nested too deep or grows too large by its aliases: the memory used is bounded by the text's
/// size.
class Document {
public:
    Document(std::string_view text, const std::string &file_name);
    Document(const Document &) = delete;
    Document &operator=(const Document &) = delete;

    [[nodiscard]] const Node &root() const noexcept { return *root_; }

private:
    std::deque<Node> nodes_;
    const Node *root_ = nullptr;
};

} // namespace config
