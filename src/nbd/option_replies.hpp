// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace nbd {

struct ExportInfo;

/// Writes what the server says in the handshake behind the bytes that are in `out`. Pure.
class OptionReplies {
public:
    explicit OptionReplies(std::vector<std::byte> &out) noexcept
        : out_(out) {}

    void greeting(std::uint16_t flags);
    void ack(wire::Option option) { frame(option, wire::OptionReply::ack, 0); }
    /// `text` is cut to what the protocol allows.
    void error(wire::Option option, wire::OptionReply type, std::string_view text = {});
    void server(const ExportInfo &info);
    void export_size(wire::Option option, const ExportInfo &info, std::uint16_t flags);
    void text(wire::Option option, wire::Information type, std::string_view text);
    void block_sizes(wire::Option option, const ExportInfo &info);
    void meta_context(wire::Option option, std::uint32_t id, std::string_view name);
    /// The answer to EXPORT_NAME.
    void export_name(const ExportInfo &info, std::uint16_t flags, bool padded);

private:
    void frame(wire::Option option, wire::OptionReply type, std::size_t length);
    template <typename Number>
    void number(Number value);
    void bytes(std::string_view text);

    std::vector<std::byte> &out_;
};

} // namespace nbd
