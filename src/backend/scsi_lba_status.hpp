// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/scsi_command.hpp"
#include "block/extents.hpp"

#include <span>

namespace backend {

/// What GET LBA STATUS was asked for, in bytes of the unit.
struct LbaStatusQuery {
    std::uint64_t offset; ///< it and the length: multiples of `block`
    std::uint64_t length;
    std::uint32_t block;
    bool reads_zeroes; ///< what is not mapped reads as zeroes (vital page B2h)
};

/// Adds the answer to `extents`, as far as it is without gaps.
void read_lba_status(std::span<const std::byte> answer, const LbaStatusQuery &query,
                     block::Extents &extents) noexcept;

} // namespace backend
