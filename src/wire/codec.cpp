// SPDX-License-Identifier: BSD-3-Clause
#include "wire/codec.hpp"

#include "wire/big_endian.hpp"

namespace wire {

RequestHeader decode_request(const std::byte *from, Dialect dialect) noexcept {
    return {.magic = load<std::uint32_t>(from),
            .flags = load<std::uint16_t>(from + 4),
            .command = static_cast<Command>(load<std::uint16_t>(from + 6)),
            .cookie = load<std::uint64_t>(from + 8),
            .offset = load<std::uint64_t>(from + 16),
            .length = dialect == Dialect::extended ? load<std::uint64_t>(from + 24)
                                                   : load<std::uint32_t>(from + 24)};
}

namespace {
// Returns the byte where the length belongs.
std::byte *encode_all_but_length(std::byte *to, const RequestHeader &header) noexcept {
    to = store(to, header.magic);
    to = store(to, header.flags);
    to = store(to, static_cast<std::uint16_t>(header.command));
    to = store(to, header.cookie);
    return store(to, header.offset);
}
} // namespace

RequestBytes encode_request(const RequestHeader &header) noexcept {
    RequestBytes bytes;
    store(encode_all_but_length(bytes.data(), header), static_cast<std::uint32_t>(header.length));
    return bytes;
}

ExtendedRequestBytes encode_extended_request(const RequestHeader &header) noexcept {
    ExtendedRequestBytes bytes;
    store(encode_all_but_length(bytes.data(), header), header.length);
    return bytes;
}

SimpleReply decode_simple_reply(const std::byte *from) noexcept {
    return {.magic = load<std::uint32_t>(from),
            .error = load<std::uint32_t>(from + 4),
            .cookie = load<std::uint64_t>(from + 8)};
}

SimpleReplyBytes encode_simple_reply(Error error, std::uint64_t cookie) noexcept {
    SimpleReplyBytes bytes;
    std::byte *to = store(bytes.data(), simple_reply_magic);
    to = store(to, static_cast<std::uint32_t>(error));
    store(to, cookie);
    return bytes;
}

std::byte *encode_chunk(std::byte *to, const ChunkHeader &header, Dialect dialect) noexcept {
    to = store(to, dialect == Dialect::extended ? extended_reply_magic : structured_reply_magic);
    to = store(to, header.flags);
    to = store(to, static_cast<std::uint16_t>(header.type));
    to = store(to, header.cookie);
    if (dialect != Dialect::extended)
        return store(to, static_cast<std::uint32_t>(header.length));
    to = store(to, header.offset);
    return store(to, header.length);
}

Error error_of(block::Status status, bool fast_zero) noexcept {
    if (status.ok())
        return Error::none;
    switch (status.error) {
    case EPERM:
    case EACCES:
    case EROFS:
        return Error::eperm;
    case ENOMEM:
        return Error::enomem;
    case EINVAL:
        return Error::einval;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return Error::enospc;
    case EOVERFLOW:
        return Error::eoverflow;
    case ENOTSUP:
        return fast_zero ? Error::enotsup : Error::einval;
    case ESHUTDOWN:
        return Error::eshutdown;
    default:
        return Error::eio;
    }
}

} // namespace wire
