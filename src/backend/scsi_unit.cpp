// SPDX-License-Identifier: BSD-3-Clause
#include "backend/scsi_unit.hpp"

#include "wire/big_endian.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <limits>

namespace backend {

namespace {

using Bytes = ScsiUnit::Bytes;

constexpr std::uint32_t largest_block = 64 << 10;
// One command never keeps a unit busy for long.
constexpr std::uint32_t longest_move = 4 << 20;
// Where a unit does not state what it likes best. Measured with tgt, which says nothing: 256 KiB at depth 8
// read whole are 550 to 620 or 1000 to 1400 MiB/s, as its memory happens to lie; in two pieces 770 to 1140.
constexpr std::uint32_t usual_best_move = 128 << 10;
constexpr std::uint32_t shortest_best_move = 64 << 10; // what likes less than this does not mean it
constexpr std::uint32_t longest_unmap = 128 << 20;
constexpr std::uint32_t longest_same = 32 << 20;
constexpr std::uint32_t usual_most_same = 65535; // where a unit states no limit, some have this one
constexpr std::size_t longest_name = 200;

std::uint8_t byte_at(Bytes data, std::size_t at) noexcept {
    return at < data.size() ? std::to_integer<std::uint8_t>(data[at]) : std::uint8_t{0};
}
bool bit_at(Bytes data, std::size_t at, unsigned bit) noexcept {
    return (byte_at(data, at) >> bit & 1U) != 0;
}

template <typename Number>
Number number_at(Bytes data, std::size_t at) noexcept {
    return at + sizeof(Number) <= data.size() ? wire::load<Number>(data.data() + at) : Number{0};
}

/// `limit` of the unit, 0: it states none; and ours.
std::uint32_t bounded(std::uint64_t limit, std::uint32_t ours) noexcept {
    return limit == 0 ? ours : static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, ours));
}

std::string hexadecimal(Bytes bytes) {
    std::string text;
    for (const std::byte each : bytes)
        text += fmt::format("{:02x}", std::to_integer<unsigned>(each));
    return text;
}

/// How good a designator names the unit, 0: not at all. Of NAA names the long ones are the unit's own for
/// sure.
unsigned rank(unsigned type, std::size_t length) noexcept {
    if (type == 3)
        return length >= 16 ? 4 : 3;
    return type == 2 ? 2 : type == 1 ? 1 : 0;
}

std::string name_of(unsigned type, Bytes designator) {
    const Bytes bytes = designator.first(std::min(designator.size(), longest_name));
    return type == 3   ? "naa." + hexadecimal(bytes)
           : type == 2 ? "eui." + hexadecimal(bytes)
                       : "t10." + scsi_text(bytes);
}

} // namespace

std::string scsi_text(Bytes bytes) {
    std::string text;
    for (const std::byte each : bytes) {
        const auto character = std::to_integer<char>(each);
        const bool is_plain = character > ' ' && character <= '~' && character != '"' && character != '\\';
        if (is_plain && character != '_')
            text += character;
        else if (!text.empty() && text.back() != '_')
            text += '_';
    }
    if (text.ends_with('_'))
        text.pop_back();
    return text;
}

std::string ScsiUnit::take_inquiry(Bytes data) {
    const unsigned qualifier = byte_at(data, 0) >> 5;
    const unsigned type = byte_at(data, 0) & 0x1fU;
    if (data.empty() || qualifier != 0 || type == 0x1f)
        return "the target has no such unit";
    facts.device_type = static_cast<std::uint8_t>(type);
    facts.port_groups = byte_at(data, 5) >> 4 & 3U;
    return type == 0 ? std::string()
                     : fmt::format("the unit is not a disk (its device type is {:02x}h)", type);
}

std::string ScsiUnit::take_capacity(Bytes data) {
    return take_capacity(number_at<std::uint64_t>(data, 0), number_at<std::uint32_t>(data, 8),
                         byte_at(data, 13) & 0xfU);
}

std::string ScsiUnit::take_short_capacity(Bytes data) {
    const auto last = number_at<std::uint32_t>(data, 0);
    if (last == std::numeric_limits<std::uint32_t>::max())
        return "the unit is larger than it can tell";
    return take_capacity(last, number_at<std::uint32_t>(data, 4), 0);
}

/// `exponent`: of the number of blocks that the medium writes at once.
std::string ScsiUnit::take_capacity(std::uint64_t last, std::uint32_t block, unsigned exponent) {
    if (block < 512 || block > largest_block || !std::has_single_bit(block))
        return fmt::format("blocks of {} bytes are of no use here", block);
    if (last >= (std::uint64_t{1} << 62) / block)
        return fmt::format("{} blocks are too many", last);
    geometry.size = (last + 1) * block;
    geometry.minimum_block = block;
    const std::uint64_t physical = std::uint64_t{block} << exponent;
    geometry.preferred_block =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(physical, std::max(block, 4096U), 1 << 30));
    best_moved = usual_best_move / block;
    most_unmapped = longest_unmap / block;
    most_same = std::min(usual_most_same, longest_same / block);
    return {};
}

void ScsiUnit::take_identification(Bytes page) noexcept {
    unsigned best = 0;
    const std::size_t end = std::min<std::size_t>(page.size(), 4U + number_at<std::uint16_t>(page, 2));
    for (std::size_t at = 4; at + 4 <= end;) {
        const unsigned association = byte_at(page, at + 1) >> 4 & 3U;
        const unsigned type = byte_at(page, at + 1) & 0xfU;
        const std::size_t length = byte_at(page, at + 3);
        if (at + 4 + length > end)
            return;
        if (association == 0 && length != 0 && rank(type, length) > best) {
            best = rank(type, length);
            facts.wwid = name_of(type, page.subspan(at + 4, length));
        } else if (association == 1 && length == 4 && type == 5) {
            facts.port_group = number_at<std::uint16_t>(page, at + 6);
        } else if (association == 1 && length == 4 && type == 4) {
            facts.relative_port = number_at<std::uint16_t>(page, at + 6);
        }
        at += 4 + length;
    }
}

void ScsiUnit::take_serial(Bytes page) noexcept {
    const std::size_t length = number_at<std::uint16_t>(page, 2);
    if (page.size() > 4)
        facts.serial = scsi_text(page.subspan(4, std::min({length, page.size() - 4, longest_name})));
}

std::string ScsiUnit::identity() const {
    const std::string_view between = facts.wwid.empty() || facts.serial.empty() ? "" : " ";
    return fmt::format("{}{}{}", facts.wwid, between, facts.serial.empty() ? "" : "serial " + facts.serial);
}

void ScsiUnit::take_limits(Bytes page) noexcept {
    const std::uint32_t block = geometry.minimum_block;
    const auto liked = number_at<std::uint32_t>(page, 12);
    if (liked >= shortest_best_move / block)
        best_moved = std::min(liked, longest_move / block);
    best_moved = bounded(number_at<std::uint32_t>(page, 8), best_moved);
    most_unmapped = bounded(number_at<std::uint32_t>(page, 20), most_unmapped);
    most_same = bounded(number_at<std::uint64_t>(page, 36), most_same);
}

void ScsiUnit::take_characteristics(Bytes page) noexcept {
    geometry.rotational = number_at<std::uint16_t>(page, 4) > 1; // 0: not told, 1: does not rotate
}

void ScsiUnit::take_provisioning(Bytes page) noexcept {
    unmap = bit_at(page, 5, 7);
    reads_zeroes = bit_at(page, 5, 2); // xx1b of three bits; 010b: as the unit has its pattern
    same_unmaps = bit_at(page, 5, 6) && reads_zeroes;
    tells_status = (byte_at(page, 5) & 0xe0U) != 0; // UNMAP, WRITE SAME(16), (10)
}

void ScsiUnit::take_caching(Bytes mode) noexcept {
    geometry.read_only = bit_at(mode, 2, 7);
    fua = bit_at(mode, 2, 4);
    const std::size_t page = 4U + byte_at(mode, 3);
    if ((byte_at(mode, page) & 0x3fU) == 0x08 && page + 2 < mode.size())
        volatile_cache = bit_at(mode, page + 2, 2);
}

} // namespace backend
