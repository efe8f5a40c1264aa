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
    std::uint64_t length = 0;
};

using RequestBytes = std::array<std::byte, request_size>;
using ExtendedRequestBytes = std::array<std::byte, extended_request_size>;
using SimpleReplyBytes = std::array<std::byte, simple_reply_size>;

inline std::size_t request_size_of(Dialect dialect) noexcept {
    return dialect == Dialect::extended ? extended_request_size : request_size;
}
/// The only magic that a request may have.
inline std::uint32_t request_magic_of(Dialect dialect) noexcept {
    return dialect == Dialect::extended ? extended_request_magic : request_magic;
}
/// `from`: request_size_of(dialect) bytes.
RequestHeader decode_request(const std::byte *from, Dialect dialect = Dialect::simple) noexcept;
/// A compact request: its length must have 32 bits.
RequestBytes encode_request(const RequestHeader &header) noexcept;
ExtendedRequestBytes encode_extended_request(const RequestHeader &header) noexcept;

struct SimpleReply {
    std::uint32_t magic = simple_reply_magic;
    std::uint32_t error = 0; ///< as it came: a peer may send any value
    std::uint64_t cookie = 0;
};

/// `from`: simple_reply_size bytes.
SimpleReply decode_simple_reply(const std::byte *from) noexcept;
SimpleReplyBytes encode_simple_reply(Error error, std::uint64_t cookie) noexcept;

/// The header of one chunk of a structured or extended reply. `offset` is the request's, and only the
/// extended one tells it.
struct ChunkHeader {
    std::uint16_t flags = done;
    Chunk type = Chunk::none;
    std::uint64_t cookie = 0;
    std::uint64_t offset = 0;
    std::uint64_t length = 0; ///< of what follows
};

inline std::size_t chunk_size_of(Dialect dialect) noexcept {
    return dialect == Dialect::extended ? extended_reply_size : structured_reply_size;
}
/// Writes chunk_size_of(dialect) bytes; returns the byte behind them.
std::byte *encode_chunk(std::byte *to, const ChunkHeader &header, Dialect dialect) noexcept;

/// What a client is told about an outcome. ENOTSUP is legal only as the answer to FAST_ZERO.
Error error_of(block::Status status, bool fast_zero) noexcept;

} // namespace wire
