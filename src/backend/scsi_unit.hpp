// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"
#include "block/scsi_port.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace backend {

/// A field of text: its printable characters, one '_' for each stretch of others, none at the ends.
std::string scsi_text(std::span<const std::byte> field);

/// What a logical unit says of itself. The take_… functions read one answer each, as much of it as came; what
/// a short one lacks stays as it is.
class ScsiUnit {
public:
    using Bytes = std::span<const std::byte>;

    /// The standard inquiry data. Empty: it is a disk, else why it is of no use.
    [[nodiscard]] std::string take_inquiry(Bytes data);
    /// READ CAPACITY(16). Empty, or why the unit is of no use.
    [[nodiscard]] std::string take_capacity(Bytes data);
    /// READ CAPACITY(10), of a unit that does not know the other. The same.
    [[nodiscard]] std::string take_short_capacity(Bytes data);
    void take_identification(Bytes page) noexcept;  ///< vital page 83h
    void take_serial(Bytes page) noexcept;          ///< vital page 80h
    void take_limits(Bytes page) noexcept;          ///< vital page B0h
    void take_characteristics(Bytes page) noexcept; ///< vital page B1h
    void take_provisioning(Bytes page) noexcept;    ///< vital page B2h
    void take_caching(Bytes mode) noexcept;         ///< MODE SENSE(6), page 8, without block descriptors

    block::Geometry geometry{};
    block::ScsiFacts facts;
    /// Its name and serial number as one text; empty: it says neither.
    [[nodiscard]] std::string identity() const;
    bool volatile_cache = true;
    bool fua = false;
    bool unmap = false;
    bool write_same = true;  ///< nothing says so before it is tried
    bool short_same = false; ///< of WRITE SAME it knows the form of 10 bytes at most
    bool same_unmaps = false;
    bool reads_zeroes = false; ///< what is not mapped
    bool tells_status = false; ///< it may have unmapped blocks, and has not refused GET LBA STATUS yet
    // In blocks, of one command.
    std::uint32_t best_moved = 0; ///< a longer transfer goes in pieces of this
    std::uint32_t most_unmapped = 0;
    std::uint32_t most_same = 0;

private:
    std::string take_capacity(std::uint64_t last, std::uint32_t block, unsigned exponent);
};

} // namespace backend
