// SPDX-License-Identifier: BSD-3-Clause
#include "backend/scsi_command.hpp"

#include "wire/big_endian.hpp"

#include <cstring>

namespace backend::scsi {

namespace {

constexpr std::byte operator""_b(unsigned long long value) { return static_cast<std::byte>(value); }
constexpr std::byte fua_bit = 0x08_b;   // of READ and WRITE
constexpr std::byte unmap_bit = 0x08_b; // of WRITE SAME

ScsiCommand make(std::byte operation, std::uint8_t size, ScsiCommand::Data direction, std::byte *data,
                 std::uint32_t length) noexcept {
    ScsiCommand command;
    command.block[0] = operation;
    command.block_size = size;
    command.direction = direction;
    command.data = data;
    command.length = length;
    return command;
}

/// The codes of a command on a range in its two forms.
struct OnRange {
    std::byte short_form; ///< 10 bytes: every unit knows it
    std::byte long_form;  ///< 16 bytes
};
constexpr OnRange read_command{0x28_b, 0x88_b};
constexpr OnRange write_command{0x2a_b, 0x8a_b};
constexpr OnRange write_same_command{0x41_b, 0x93_b};
constexpr OnRange synchronize_command{0x35_b, 0x91_b};

bool fits_short_form(ScsiRange range) noexcept {
    constexpr std::uint64_t end = std::uint64_t{1} << 32;
    return range.count <= 0xffff && range.first < end && range.first + range.count <= end;
}

ScsiCommand on_range(OnRange form, bool is_short, std::byte flags, ScsiRange range,
                     ScsiCommand::Data direction, std::byte *data, std::uint32_t length) noexcept {
    ScsiCommand command =
        make(is_short ? form.short_form : form.long_form, is_short ? 10 : 16, direction, data, length);
    command.block[1] = flags;
    if (is_short) {
        wire::store(&command.block[2], static_cast<std::uint32_t>(range.first));
        wire::store(&command.block[7], static_cast<std::uint16_t>(range.count));
    } else {
        wire::store(wire::store(&command.block[2], range.first), range.count);
    }
    return command;
}

} // namespace

ScsiCommand inquiry(bool vital, std::uint8_t page, std::byte *data, std::uint16_t length) noexcept {
    ScsiCommand command = make(0x12_b, 6, ScsiCommand::Data::in, data, length);
    command.block[1] = vital ? 1_b : 0_b;
    command.block[2] = static_cast<std::byte>(page);
    wire::store(&command.block[3], length);
    return command;
}

ScsiCommand test_unit_ready() noexcept { return make(0x00_b, 6, ScsiCommand::Data::none, nullptr, 0); }

ScsiCommand report_luns(std::uint32_t length) noexcept {
    ScsiCommand command = make(0xa0_b, 12, ScsiCommand::Data::in, nullptr, length);
    wire::store(&command.block[6], length);
    return command;
}

ScsiCommand report_target_port_groups(std::uint32_t length) noexcept {
    ScsiCommand command = make(0xa3_b, 12, ScsiCommand::Data::in, nullptr, length);
    command.block[1] = 0x0a_b; // the service action
    wire::store(&command.block[6], length);
    return command;
}

ScsiCommand get_lba_status(std::uint64_t first, std::byte *data, std::uint32_t length) noexcept {
    ScsiCommand command = make(0x9e_b, 16, ScsiCommand::Data::in, data, length);
    command.block[1] = 0x12_b; // the service action
    wire::store(wire::store(&command.block[2], first), length);
    return command;
}

ScsiCommand read_capacity16(std::byte *data, std::uint32_t length) noexcept {
    ScsiCommand command = make(0x9e_b, 16, ScsiCommand::Data::in, data, length);
    command.block[1] = 0x10_b; // the service action
    wire::store(&command.block[10], length);
    return command;
}

ScsiCommand read_capacity10(std::byte *data, std::uint32_t length) noexcept {
    return make(0x25_b, 10, ScsiCommand::Data::in, data, length);
}

ScsiCommand mode_sense6(std::uint8_t page, std::byte *data, std::uint8_t length) noexcept {
    ScsiCommand command = make(0x1a_b, 6, ScsiCommand::Data::in, data, length);
    command.block[1] = 0x08_b; // no block descriptors
    command.block[2] = static_cast<std::byte>(page);
    command.block[4] = static_cast<std::byte>(length);
    return command;
}

ScsiCommand read(ScsiRange range, std::byte *data, std::uint32_t length) noexcept {
    return on_range(read_command, fits_short_form(range), 0_b, range, ScsiCommand::Data::in, data, length);
}

ScsiCommand write(ScsiRange range, bool fua, std::byte *data, std::uint32_t length) noexcept {
    return on_range(write_command, fits_short_form(range), fua ? fua_bit : 0_b, range, ScsiCommand::Data::out,
                    data, length);
}

ScsiCommand write_same(ScsiRange range, bool is_short, bool unmap, std::byte *data,
                       std::uint32_t length) noexcept {
    return on_range(write_same_command, is_short && fits_short_form(range), unmap ? unmap_bit : 0_b, range,
                    ScsiCommand::Data::out, data, length);
}

ScsiCommand synchronize_cache() noexcept {
    return on_range(synchronize_command, true, 0_b, {0, 0}, ScsiCommand::Data::none, nullptr, 0);
}

ScsiCommand unmap(ScsiRange range, std::byte *parameters) noexcept {
    constexpr std::uint16_t length = unmap_length;
    constexpr std::uint16_t one_descriptor = 16;
    std::memset(parameters, 0, length);
    wire::store(parameters, static_cast<std::uint16_t>(length - 2));
    wire::store(parameters + 2, one_descriptor);
    wire::store(wire::store(parameters + 8, range.first), range.count);
    ScsiCommand command = make(0x42_b, 10, ScsiCommand::Data::out, parameters, length);
    wire::store(&command.block[7], length);
    return command;
}

} // namespace backend::scsi
