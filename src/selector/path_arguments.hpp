// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "selector/selector.hpp"

namespace selector {

/// The arguments of one path of a group, read as every selector reads them. Whatever is wrong is
/// base::Error(EINVAL) "<selector> ps: …", the kernel's text.
class PathArguments {
public:
    PathArguments(std::string_view selector, Words words, std::size_t most, Rules rules);

    /// The first argument of every selector; 1 when left out.
    [[nodiscard]] unsigned repeat_count() const;
    /// The argument at `position`, at most `maximum`; `absent` when left out. `name`: what the error calls
    /// it.
    [[nodiscard]] unsigned number(std::size_t position, unsigned absent, unsigned maximum,
                                  std::string_view name) const;

private:
    std::string_view selector_;
    Words words_;
    Rules rules_;
};

/// A number that fills the word; nothing when it is none or above 32 bits that do not wrap.
std::optional<unsigned> parse_argument(const std::string &word, Rules rules);

} // namespace selector
