// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"

#include <span>
#include <string>

namespace block {

inline constexpr std::size_t most_scsi_data = 64 << 10; ///< of one order that is written as text

/// An order as a user writes it: `in N`, `out HEX` or `none`, then the command descriptor block in
/// hexadecimal, in one word or several. Throws base::Error(EINVAL).
[[nodiscard]] ScsiOrder parse_scsi_order(std::span<const std::string> words);

/// Whether the command is known to change nothing at all.
[[nodiscard]] bool only_asks(const ScsiOrder &order) noexcept;
/// Whether the command changes what is stored in blocks of the unit.
[[nodiscard]] bool changes_blocks(const ScsiOrder &order) noexcept;

} // namespace block
