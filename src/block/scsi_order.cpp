// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_order.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace block {

namespace {

constexpr std::size_t longest_quote = 64;
constexpr std::size_t shortest_block = 6;
constexpr std::size_t longest_block = 16;

unsigned operation_of(const ScsiOrder &order) noexcept {
    return order.block.empty() ? 0 : std::to_integer<unsigned>(order.block[0]);
}
unsigned service_action_of(const ScsiOrder &order) noexcept {
    return order.block.size() < 2 ? 0 : std::to_integer<unsigned>(order.block[1]) & 0x1fU;
}

std::vector<std::byte> parse_hexadecimal(std::string_view text, std::string_view what) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    if (!std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; }))
        throw base::Error(EINVAL, "{} '{}' is not hexadecimal", what, text.substr(0, longest_quote));
    if (text.size() % 2 != 0)
        throw base::Error(EINVAL, "{} has half a byte: an odd number of digits, {}", what, text.size());
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t at = 0; at < text.size(); at += 2)
        bytes.push_back(static_cast<std::byte>(digit(text[at]) << 4 | digit(text[at + 1])));
    return bytes;
}

/// By the group in the operation code; 0: any.
std::size_t length_of_group(unsigned operation) noexcept {
    constexpr std::array<std::size_t, 8> lengths{6, 10, 10, 0, 16, 12, 0, 0};
    return lengths[operation >> 5];
}

std::vector<std::byte> parse_block(std::span<const std::string> words) {
    std::string text;
    for (const std::string &word : words)
        text += word;
    std::vector<std::byte> block = parse_hexadecimal(text, "the command");
    if (block.size() < shortest_block || block.size() > longest_block)
        throw base::Error(EINVAL, "a command has {} to {} bytes, not {}", shortest_block, longest_block,
                          block.size());
    const auto operation = std::to_integer<unsigned>(block[0]);
    const std::size_t length = length_of_group(operation);
    if (length != 0 && block.size() != length)
        throw base::Error(EINVAL, "command {:02x} has {} bytes, not {}", operation, length, block.size());
    return block;
}

} // namespace

ScsiOrder parse_scsi_order(std::span<const std::string> words) {
    constexpr const char *usage = "usage: sg_io {in N|out HEX|none} CDB-HEX";
    ScsiOrder order;
    if (words.empty())
        throw base::Error(EINVAL, "{}", usage);
    const std::string &direction = words[0];
    std::size_t taken = 1;
    if (direction == "in" || direction == "out") {
        if (words.size() < 2)
            throw base::Error(EINVAL, "{}", usage);
        taken = 2;
    } else if (direction != "none") {
        throw base::Error(EINVAL, "'{}' is no direction of data: in, out or none",
                          direction.substr(0, longest_quote));
    }
    if (direction == "in") {
        const auto length = base::parse_number(words[1]);
        if (!length || *length == 0 || *length > most_scsi_data)
            throw base::Error(EINVAL, "'{}' is no number of bytes from 1 to {}",
                              words[1].substr(0, longest_quote), most_scsi_data);
        order.in = static_cast<std::uint32_t>(*length);
    } else if (direction == "out") {
        order.out = parse_hexadecimal(words[1], "the data");
        if (order.out.empty() || order.out.size() > most_scsi_data)
            throw base::Error(EINVAL, "1 to {} bytes can be sent, not {}", most_scsi_data, order.out.size());
    }
    order.block = parse_block(words.subspan(taken));
    return order;
}

bool only_asks(const ScsiOrder &order) noexcept {
    constexpr unsigned codes[] = {
        0x00,             // TEST UNIT READY
        0x03, 0x12, 0x1a, // REQUEST SENSE, INQUIRY, MODE SENSE(6)
        0x08, 0x28, 0x88, // READ(6), (10), (16)
        0x25, 0x2f, 0x37, // READ CAPACITY(10), VERIFY(10), READ DEFECT DATA(10)
        0x3c, 0x4d, 0x5a, // READ BUFFER, LOG SENSE, MODE SENSE(10)
        0x5e, 0x8f, 0xa0, // PERSISTENT RESERVE IN, VERIFY(16), REPORT LUNS
        0xa3, 0xa8, 0xaf, // MAINTENANCE IN, READ(12), VERIFY(12)
    };
    const unsigned operation = operation_of(order);
    if (!order.out.empty())
        return false;
    if (operation == 0x9e) // SERVICE ACTION IN: READ CAPACITY(16), GET LBA STATUS
        return service_action_of(order) == 0x10 || service_action_of(order) == 0x12;
    return std::ranges::find(codes, operation) != std::end(codes);
}

bool changes_blocks(const ScsiOrder &order) noexcept {
    constexpr unsigned codes[] = {
        0x04, 0x07, 0x48,       // FORMAT UNIT, REASSIGN BLOCKS, SANITIZE
        0x0a, 0x2a, 0x8a, 0xaa, // WRITE(6), (10), (16), (12)
        0x2e, 0x8e, 0xae,       // WRITE AND VERIFY(10), (16), (12)
        0x3f,                   // WRITE LONG(10)
        0x41, 0x93, 0x42,       // WRITE SAME(10), (16), UNMAP
        0x51, 0x53,             // XPWRITE, XDWRITEREAD
        0x83,                   // EXTENDED COPY, POPULATE and WRITE USING TOKEN
        0x89, 0x8b,             // COMPARE AND WRITE, ORWRITE
        0x9a, 0x9c,             // WRITE STREAM, WRITE ATOMIC
        0x9f,                   // SERVICE ACTION OUT: WRITE LONG(16)
        0x7f,                   // commands of variable length: WRITE(32) among them
    };
    return std::ranges::find(codes, operation_of(order)) != std::end(codes);
}

} // namespace block
