// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace backend {

/// A SCSI command as it is sent: its descriptor block and where its data is.
struct ScsiCommand {
    enum class Data : std::uint8_t { none, in, out };

    std::array<std::byte, 16> block{}; ///< the command descriptor block
    std::uint8_t block_size = 0;
    Data direction = Data::none;
    std::byte *data = nullptr; ///< the sender's until it is answered
    std::uint32_t length = 0;  ///< bytes of data
};

/// A stretch of a unit, in its logical blocks.
struct ScsiRange {
    std::uint64_t first;
    std::uint32_t count;
};

namespace scsi {

/// `page`: of the vital product data; 0 and `vital` false: the standard data.
ScsiCommand inquiry(bool vital, std::uint8_t page, std::byte *data, std::uint16_t length) noexcept;
ScsiCommand test_unit_ready() noexcept;
ScsiCommand report_luns(std::uint32_t length) noexcept;
ScsiCommand report_target_port_groups(std::uint32_t length) noexcept;
/// The first block's and what follows, as much as the length has room for.
ScsiCommand get_lba_status(std::uint64_t first, std::byte *data, std::uint32_t length) noexcept;
ScsiCommand read_capacity16(std::byte *data, std::uint32_t length) noexcept;
ScsiCommand read_capacity10(std::byte *data, std::uint32_t length) noexcept;
ScsiCommand mode_sense6(std::uint8_t page, std::byte *data, std::uint8_t length) noexcept;
// In the form of 10 bytes where the range fits, of 16 beyond 2^32 blocks.
ScsiCommand read(ScsiRange range, std::byte *data, std::uint32_t length) noexcept;
ScsiCommand write(ScsiRange range, bool fua, std::byte *data, std::uint32_t length) noexcept;
/// `data`: one block. `is_short`: for a unit that does not know the form of 16 bytes, which others prefer for
/// this.
ScsiCommand write_same(ScsiRange range, bool is_short, bool unmap, std::byte *data,
                       std::uint32_t length) noexcept;
/// The whole unit.
ScsiCommand synchronize_cache() noexcept;

constexpr std::size_t unmap_length = 24;
/// `parameters`: unmap_length bytes, filled in here.
ScsiCommand unmap(ScsiRange range, std::byte *parameters) noexcept;

} // namespace scsi

} // namespace backend
