// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_inquiry.hpp"

#include "block/scsi_bytes.hpp"
#include "block/scsi_text.hpp"

#include <array>
#include <fmt/format.h>

namespace block {

namespace {

constexpr std::uint16_t page_length = 4096;
constexpr std::uint32_t luns_length = 32 << 10;
constexpr std::uint8_t inquiry_length = 252;

std::vector<std::byte> command(std::initializer_list<unsigned> bytes) {
    std::vector<std::byte> result;
    for (const unsigned each : bytes)
        result.push_back(static_cast<std::byte>(each));
    return result;
}

std::string_view type_name(unsigned type) noexcept {
    switch (type) {
    case 0x00:
        return "disk";
    case 0x01:
        return "tape";
    case 0x05:
        return "optical";
    case 0x08:
        return "changer";
    case 0x0c:
        return "controller";
    case 0x0d:
        return "enclosure";
    case 0x14:
        return "zoned disk";
    case 0x1f:
        return "none";
    default:
        return "other";
    }
}

/// A word for what kind of name it is, and the name.
std::string designator_text(unsigned type, unsigned code_set, ScsiBytes name) {
    switch (type) {
    case 1:
        return fmt::format("t10 {}", printable(name.bytes()));
    case 2:
        return fmt::format("eui eui.{}", hexadecimal(name.bytes()));
    case 3:
        return fmt::format("naa naa.{}", hexadecimal(name.bytes()));
    case 4:
        return fmt::format("relative-port {}", name.number<std::uint16_t>(2));
    case 5:
        return fmt::format("port-group {}", name.number<std::uint16_t>(2));
    case 6:
        return fmt::format("unit-group {}", name.number<std::uint16_t>(2));
    case 8:
        return fmt::format("name {}", printable(name.bytes()));
    default:
        return fmt::format("type-{} {}", type,
                           code_set == 2 ? printable(name.bytes()) : hexadecimal(name.bytes()));
    }
}

std::string lun_text(ScsiBytes lun) {
    const unsigned method = lun.byte(0) >> 6;
    // Peripheral without a bus, and flat: what users know as the number.
    if (method == 0 && (lun.byte(0) & 0x3fU) == 0)
        return std::to_string(lun.byte(1));
    if (method == 1)
        return std::to_string(lun.number<std::uint16_t>(0) & 0x3fffU);
    return "other";
}

} // namespace

ScsiOrder inquiry_order() {
    return {.block = command({0x12, 0, 0, 0, inquiry_length, 0}), .out = {}, .in = inquiry_length};
}

ScsiOrder vital_page_order(std::uint8_t page) {
    return {.block = command({0x12, 1, page, page_length >> 8, page_length & 0xff, 0}),
            .out = {},
            .in = page_length};
}

ScsiOrder report_luns_order() {
    return {.block = command({0xa0, 0, 0, 0, 0, 0, luns_length >> 24, luns_length >> 16 & 0xff,
                              luns_length >> 8 & 0xff, luns_length & 0xff, 0, 0}),
            .out = {},
            .in = luns_length};
}

ScsiOrder test_unit_ready_order() { return {.block = command({0, 0, 0, 0, 0, 0}), .out = {}}; }

std::vector<std::string> inquiry_lines(const std::vector<std::byte> &answer) {
    constexpr std::array<std::string_view, 4> groups{"none", "implicit", "explicit", "implicit and explicit"};
    const ScsiBytes data(answer);
    const unsigned type = data.byte(0) & 0x1fU;
    return {
        "vendor: " + printable(data.part(8, 8).bytes()),
        "product: " + printable(data.part(16, 16).bytes()),
        "revision: " + printable(data.part(32, 4).bytes()),
        fmt::format("device type: 0x{:02x} {}", type, type_name(type)),
        fmt::format("tpgs: {}", groups[data.byte(5) >> 4 & 3U]),
    };
}

std::vector<std::string> serial_lines(const std::vector<std::byte> &page) {
    const ScsiBytes data(page);
    return {"serial: " + printable(data.part(4, data.number<std::uint16_t>(2)).bytes())};
}

std::vector<std::string> designator_lines(const std::vector<std::byte> &page) {
    constexpr std::array<std::string_view, 4> associations{"unit", "port", "target", "other"};
    std::vector<std::string> lines;
    const ScsiBytes whole(page);
    const ScsiBytes data = whole.part(4, whole.number<std::uint16_t>(2));
    for (std::size_t at = 0; at + 4 <= data.size(); at += 4U + data.byte(at + 3)) {
        const ScsiBytes name = data.part(at + 4, data.byte(at + 3));
        lines.push_back(fmt::format("designator: {} {}", associations[data.byte(at + 1) >> 4 & 3U],
                                    designator_text(data.byte(at + 1) & 0xfU, data.byte(at) & 0xfU, name)));
    }
    return lines;
}

std::vector<std::string> lun_lines(const std::vector<std::byte> &answer) {
    std::vector<std::string> lines;
    const ScsiBytes whole(answer);
    const ScsiBytes data = whole.part(8, whole.number<std::uint32_t>(0));
    for (std::size_t at = 0; at + 8 <= data.size(); at += 8)
        lines.push_back(
            fmt::format("lun: {} {}", lun_text(data.part(at, 8)), hexadecimal(data.part(at, 8).bytes())));
    return lines;
}

} // namespace block
