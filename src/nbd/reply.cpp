// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/reply.hpp"

#include "nbd/meta_query.hpp"
#include "nbd/session_request.hpp"
#include "wire/big_endian.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nbd {

using wire::Chunk;
using wire::Dialect;

namespace {

// Below, a hole costs as much as the data.
constexpr std::size_t smallest_hole = 512;

// Data that are not zero are found out by their first bytes, mostly.
bool all_zero(const std::byte *bytes, std::size_t size) noexcept {
    return bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

} // namespace

template <typename Number>
void ReplyEncoder::append(Reply &reply, Number value) noexcept {
    wire::store(reply.head.data() + reply.head_size, value);
    reply.head_size += sizeof value;
}

void ReplyEncoder::chunk(SessionRequest &request, Chunk type, std::size_t length,
                         wire::ChunkFlag flags) const noexcept {
    const wire::ChunkHeader header{flags, type, request.cookie, request.offset, length};
    wire::encode_chunk(request.reply.head.data(), header, dialect_);
    request.reply.head_size = wire::chunk_size_of(dialect_);
}

void ReplyEncoder::begin(SessionRequest &request, wire::Error error, std::string_view text) const noexcept {
    if (error == wire::Error::none && request.operation == block::Operation::read) {
        request.reply.left = request.length;
    } else if (error == wire::Error::none && request.operation == block::Operation::block_status) {
        extents(request);
    } else if (dialect_ == Dialect::simple ||
               (dialect_ == Dialect::structured && error == wire::Error::none)) {
        simple(request, error);
    } else if (error == wire::Error::none) {
        chunk(request, Chunk::none, 0);
    } else {
        fail(request, error, text);
    }
}

void ReplyEncoder::simple(SessionRequest &request, wire::Error error) noexcept {
    const wire::SimpleReplyBytes bytes = wire::encode_simple_reply(error, request.cookie);
    std::copy(bytes.begin(), bytes.end(), request.reply.head.begin());
    request.reply.head_size = bytes.size();
}

void ReplyEncoder::fail(SessionRequest &request, wire::Error error, std::string_view text) const noexcept {
    Reply &reply = request.reply;
    chunk(request, Chunk::error, 6 + text.size());
    append(reply, static_cast<std::uint32_t>(error));
    append(reply, static_cast<std::uint16_t>(text.size()));
    reply.body = reinterpret_cast<std::byte *>(const_cast<char *>(text.data())); // for an iovec: only read
    reply.body_size = text.size();
}

// Written over the extents themselves: a descriptor is never longer than one of them.
void ReplyEncoder::extents(SessionRequest &request) const noexcept {
    Reply &reply = request.reply;
    request.extents->limit(request.length);
    const std::span<const block::Extent> list = request.extents->list();
    const bool extended = dialect_ == Dialect::extended;
    std::byte *to = request.buffer;
    for (const block::Extent extent : list) {
        to = extended ? wire::store(to, extent.length)
                      : wire::store(to, static_cast<std::uint32_t>(extent.length));
        to = extended ? wire::store(to, extent.state)
                      : wire::store(to, static_cast<std::uint32_t>(extent.state));
    }
    reply.body = request.buffer;
    reply.body_size = static_cast<std::size_t>(to - request.buffer);
    if (extended)
        chunk(request, Chunk::block_status_ext, 8 + reply.body_size);
    else
        chunk(request, Chunk::block_status, 4 + reply.body_size);
    append(reply, allocation_context_id);
    if (extended)
        append(reply, static_cast<std::uint32_t>(list.size()));
}

void ReplyEncoder::next(SessionRequest &request) const noexcept {
    Reply &reply = request.reply;
    const std::uint64_t position = request.length - reply.left;
    reply.body = request.piped ? nullptr : request.data + position;
    if (dialect_ == Dialect::simple) {
        simple(request, wire::Error::none);
        reply.body_size = std::exchange(reply.left, 0);
        return;
    }
    const std::size_t size = request.whole ? reply.left : std::min(reply.left, largest_chunk_);
    reply.left -= size;
    // All data are here: nothing can fail any more, so the last of them may end the reply.
    const auto flags = static_cast<wire::ChunkFlag>(reply.left == 0 ? wire::done : 0);
    const bool hole = size >= smallest_hole && !request.piped && all_zero(reply.body, size);
    chunk(request, hole ? Chunk::offset_hole : Chunk::offset_data, hole ? 12 : 8 + size, flags);
    append(reply, request.offset + position);
    if (hole)
        append(reply, static_cast<std::uint32_t>(size));
    reply.body_size = hole ? 0 : size;
}

std::string_view text_of(wire::Error error) noexcept {
    switch (error) {
    case wire::Error::none:
        break;
    case wire::Error::eperm:
        return "the disk does not permit it";
    case wire::Error::eio:
        return "the disk answered with an error, or no path to it is left";
    case wire::Error::enomem:
        return "a server behind is out of memory";
    case wire::Error::einval:
        return "the disk does not accept this request";
    case wire::Error::enospc:
        return "no space is left where the disk is stored";
    case wire::Error::eoverflow:
        return "the request is too long";
    case wire::Error::enotsup:
        return "zeroing would not be faster than writing";
    case wire::Error::eshutdown:
        return "the server is shutting down";
    }
    return {};
}

} // namespace nbd
