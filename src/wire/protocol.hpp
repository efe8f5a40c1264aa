// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

/// The numbers of the NBD protocol.
namespace wire {

// Negotiation.
inline constexpr std::uint64_t greeting_magic = 0x4e42444d41474943; // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454f5054;   // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
inline constexpr std::size_t greeting_size = 18;
inline constexpr std::size_t option_header_size = 16;
inline constexpr std::size_t option_reply_header_size = 20;
inline constexpr std::size_t export_name_padding = 124;
inline constexpr std::size_t longest_string = 4096;

enum HandshakeFlag : std::uint16_t { fixed_newstyle = 1, no_zeroes = 2 };

enum class Option : std::uint32_t {
    export_name = 1,
    abort = 2,
    list = 3,
    peek_export = 4,
    starttls = 5,
    info = 6,
    go = 7,
    structured_reply = 8,
    list_meta_context = 9,
    set_meta_context = 10,
    extended_headers = 11,
};

enum class OptionReply : std::uint32_t {
    ack = 1,
    server = 2,
    info = 3,
    meta_context = 4,
    unsupported = 0x80000001,
    policy = 0x80000002,
    invalid = 0x80000003,
    platform = 0x80000004,
    tls_required = 0x80000005,
    unknown = 0x80000006,
    shutdown = 0x80000007,
    block_size_required = 0x80000008,
    too_big = 0x80000009,
    extended_header_required = 0x8000000a,
};

/// `size_and_flags` is NBD_INFO_EXPORT: its own name is a word of the language.
enum class Information : std::uint16_t { size_and_flags = 0, name = 1, description = 2, block_size = 3 };

// Transmission flags of an export.
enum TransmissionFlag : std::uint16_t {
    has_flags = 1 << 0,
    read_only = 1 << 1,
    send_flush = 1 << 2,
    send_fua = 1 << 3,
    rotational = 1 << 4,
    send_trim = 1 << 5,
    send_write_zeroes = 1 << 6,
    send_df = 1 << 7,
    can_multi_conn = 1 << 8,
    send_cache = 1 << 10,
    send_fast_zero = 1 << 11,
    block_status_payload = 1 << 12,
};

// Transmission.
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t extended_request_magic = 0x21e41c71;
inline constexpr std::uint32_t simple_reply_magic = 0x67446698;
inline constexpr std::uint32_t structured_reply_magic = 0x668e33ef;
inline constexpr std::uint32_t extended_reply_magic = 0x6e8a278c;
inline constexpr std::size_t request_size = 28;
inline constexpr std::size_t extended_request_size = 32;
inline constexpr std::size_t simple_reply_size = 16;
inline constexpr std::size_t structured_reply_size = 20;
inline constexpr std::size_t extended_reply_size = 32;

enum class Command : std::uint16_t {
    read = 0,
    write = 1,
    disconnect = 2,
    flush = 3,
    trim = 4,
    cache = 5,
    write_zeroes = 6,
    block_status = 7,
};

enum CommandFlag : std::uint16_t {
    fua = 1 << 0,
    no_hole = 1 << 1,
    df = 1 << 2,
    req_one = 1 << 3,
    fast_zero = 1 << 4,
    payload_length = 1 << 5,
};

/// How the two sides agreed to talk in the transmission phase; each is more than the one before.
enum class Dialect : std::uint8_t {
    simple,     ///< compact requests, simple replies
    structured, ///< compact requests, replies may come in chunks
    extended,   ///< extended requests, extended chunks only
};

// What a structured or extended reply is made of.
enum ChunkFlag : std::uint16_t { done = 1 << 0 };

enum class Chunk : std::uint16_t {
    none = 0,
    offset_data = 1,
    offset_hole = 2,
    block_status = 5,
    block_status_ext = 6,
    error = (1 << 15) + 1,
    error_offset = (1 << 15) + 2,
};

// Descriptors of base:allocation.
enum AllocationFlag : std::uint32_t { state_hole = 1 << 0, state_zero = 1 << 1 };

/// The only error values a reply may carry.
enum class Error : std::uint32_t {
    none = 0,
    eperm = 1,
    eio = 5,
    enomem = 12,
    einval = 22,
    enospc = 28,
    eoverflow = 75,
    enotsup = 95,
    eshutdown = 108,
};

} // namespace wire
