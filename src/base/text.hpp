// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace base {

/// Splits on blanks and tabs; a backslash makes the next character literal (device-mapper's rule, semantics
/// reference 2.17). A backslash at the end is dropped.
std::vector<std::string> split_words(std::string_view text);
/// One line that split_words() takes apart into these words again.
std::string join_words(std::span<const std::string> words);

/// Takes the head of a dm line, `0 <sectors> multipath`, off a table's words and returns its size in bytes;
/// nothing when the words begin with the table itself. Throws Error(EINVAL) when the head is wrong.
std::optional<std::uint64_t> take_table_head(std::vector<std::string> &words);

/// Why a word cannot be the name of a path or a map; empty: it can.
std::string_view name_problem(std::string_view name) noexcept;

/// The candidate that `word` was probably meant to be; empty when none is near.
std::string_view nearest_word(std::string_view word, const std::vector<std::string_view> &candidates);

/// A decimal number that fills the whole word (no sign, no blank, no prefix); nothing on overflow.
std::optional<std::uint64_t> parse_number(std::string_view word);
/// The same modulo 2^32, as the kernel reads numbers.
std::optional<std::uint32_t> parse_wrapping_number(std::string_view word) noexcept;

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

} // namespace base
