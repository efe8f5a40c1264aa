// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/status.hpp"
#include "wire/protocol.hpp"

#include <array>

namespace wire {

/// A request of the transmission phase as it came; nothing in it is checked.
struct RequestHeader {
    std::uint32_t magic = request_magic;
    std::uint16_t flags = 0;
    Command command = Command::read;
    std::uint64_t cookie = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
};

using RequestBytes = std::array<std::byte, request_size>;
using SimpleReplyBytes = std::array<std::byte, simple_reply_size>;

/// `from`: request_size bytes.
RequestHeader decode_request(const std::byte *from) noexcept;
RequestBytes encode_request(const RequestHeader &header) noexcept;

struct SimpleReply {
    std::uint32_t magic = simple_reply_magic;
    std::uint32_t error = 0; ///< as it came: a peer may send any value
    std::uint64_t cookie = 0;
};

/// `from`: simple_reply_size bytes.
SimpleReply decode_simple_reply(const std::byte *from) noexcept;
SimpleReplyBytes encode_simple_reply(Error error, std::uint64_t cookie) noexcept;

/// What a client is told about an outcome. ENOTSUP is legal only as the answer to FAST_ZERO.
Error error_of(block::Status status, bool fast_zero) noexcept;

} // namespace wire
