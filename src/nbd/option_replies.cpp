// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/option_replies.hpp"

#include "nbd/exports.hpp"
#include "wire/big_endian.hpp"

#include <algorithm>

namespace nbd {

namespace {
// nbd-client 3.24 lists into a 1 KiB buffer on its stack.
constexpr std::size_t longest_listed_description = 1000;

// Cut at a character's edge.
std::string_view cut(std::string_view text, std::size_t most) noexcept {
    if (text.size() <= most)
        return text;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80)
        --most;
    return text.substr(0, most);
}
} // namespace

std::uint16_t transmission_flags(const block::Geometry &geometry, const Agreement &agreement) noexcept {
    // Whatever the medium lacks is emulated below, and all sessions go through one device: always multi-conn.
    unsigned flags = wire::has_flags | wire::send_flush | wire::send_fua | wire::send_trim |
                     wire::send_write_zeroes | wire::send_fast_zero | wire::send_cache | wire::can_multi_conn;
    if (geometry.read_only)
        flags |= wire::read_only;
    if (geometry.rotational)
        flags |= wire::rotational;
    if (agreement.dialect != wire::Dialect::simple)
        flags |= wire::send_df;
    if (agreement.dialect == wire::Dialect::extended && agreement.allocation)
        flags |= wire::block_status_payload;
    return static_cast<std::uint16_t>(flags);
}

template <typename Number>
void OptionReplies::number(Number value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof value);
    wire::store(out_.data() + at, value);
}

void OptionReplies::bytes(std::string_view text) {
    const auto *first = reinterpret_cast<const std::byte *>(text.data());
    out_.insert(out_.end(), first, first + text.size());
}

void OptionReplies::frame(wire::Option option, wire::OptionReply type, std::size_t length) {
    number(wire::option_reply_magic);
    number(static_cast<std::uint32_t>(option));
    number(static_cast<std::uint32_t>(type));
    number(static_cast<std::uint32_t>(length));
}

void OptionReplies::greeting(std::uint16_t flags) {
    number(wire::greeting_magic);
    number(wire::option_magic);
    number(flags);
}

void OptionReplies::error(wire::Option option, wire::OptionReply type, std::string_view text) {
    text = cut(text, wire::longest_string);
    frame(option, type, text.size());
    bytes(text);
}

void OptionReplies::server(const ExportInfo &info) {
    const std::string_view description = cut(info.description, longest_listed_description);
    frame(wire::Option::list, wire::OptionReply::server, 4 + info.name.size() + description.size());
    number(static_cast<std::uint32_t>(info.name.size()));
    bytes(info.name);
    bytes(description);
}

void OptionReplies::export_size(wire::Option option, const ExportInfo &info, std::uint16_t flags) {
    frame(option, wire::OptionReply::info, 12);
    number(static_cast<std::uint16_t>(wire::Information::size_and_flags));
    number(info.geometry.size);
    number(flags);
}

void OptionReplies::text(wire::Option option, wire::Information type, std::string_view text) {
    text = cut(text, wire::longest_string);
    frame(option, wire::OptionReply::info, 2 + text.size());
    number(static_cast<std::uint16_t>(type));
    bytes(text);
}

void OptionReplies::block_sizes(wire::Option option, const ExportInfo &info) {
    const block::Geometry &geometry = info.geometry;
    frame(option, wire::OptionReply::info, 14);
    number(static_cast<std::uint16_t>(wire::Information::block_size));
    number(geometry.minimum_block);
    number(std::max(geometry.preferred_block, geometry.minimum_block));
    number(geometry.maximum_payload);
}

void OptionReplies::meta_context(wire::Option option, std::uint32_t id, std::string_view name) {
    frame(option, wire::OptionReply::meta_context, 4 + name.size());
    number(id);
    bytes(name);
}

void OptionReplies::export_name(const ExportInfo &info, std::uint16_t flags, bool padded) {
    number(info.geometry.size);
    number(flags);
    if (padded)
        out_.resize(out_.size() + wire::export_name_padding);
}

} // namespace nbd
