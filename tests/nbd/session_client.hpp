// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "session_service.hpp"
#include "wire/big_endian.hpp"
#include "wire/codec.hpp"

#include <doctest/doctest.h>
#include <poll.h>

/// Clients of a Service: what the session's tests use.
namespace session_test {

using Bytes = std::vector<std::byte>;

/// One chunk of a structured or extended reply, and the numbers in its payload.
struct Chunk {
    bool last = false;
    wire::Chunk type = wire::Chunk::none;
    std::uint64_t cookie = 0;
    std::uint64_t request_offset = 0;
    Bytes payload{};

    template <typename Number>
    [[nodiscard]] Number number(std::size_t at) const {
        REQUIRE(at + sizeof(Number) <= payload.size());
        return wire::load<Number>(payload.data() + at);
    }
    [[nodiscard]] std::string text(std::size_t at) const {
        return {reinterpret_cast<const char *>(payload.data()) + at, payload.size() - at};
    }
    [[nodiscard]] wire::Error error() const { return static_cast<wire::Error>(number<std::uint32_t>(0)); }
};

class Client {
public:
    explicit Client(Service &service, const nbd::Agreement &agreement = {})
        : agreement_(agreement)
        , socket_(service.connect(agreement)) {
        const timeval limit{10, 0};
        ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }

    void send(const void *bytes, std::size_t size) {
        const auto *at = static_cast<const std::byte *>(bytes);
        while (size > 0) {
            const ssize_t sent = ::send(socket_.fd(), at, size, MSG_NOSIGNAL);
            if (sent <= 0)
                return;
            at += sent;
            size -= static_cast<std::size_t>(sent);
        }
    }
    void post(const wire::RequestHeader &header, const Bytes &payload = {}) {
        Bytes all;
        if (agreement_.dialect == wire::Dialect::extended) {
            const wire::ExtendedRequestBytes bytes = wire::encode_extended_request(header);
            all.assign(bytes.begin(), bytes.end());
        } else {
            const wire::RequestBytes bytes = wire::encode_request(header);
            all.assign(bytes.begin(), bytes.end());
        }
        all.insert(all.end(), payload.begin(), payload.end());
        send(all.data(), all.size());
    }
    /// Exactly `size` bytes, or fewer at the end of the stream.
    Bytes receive(std::size_t size) {
        Bytes bytes(size);
        std::size_t got = 0;
        while (got < size) {
            const ssize_t now = ::recv(socket_.fd(), bytes.data() + got, size - got, 0);
            if (now <= 0)
                break;
            got += static_cast<std::size_t>(now);
        }
        bytes.resize(got);
        return bytes;
    }
    wire::SimpleReply reply() {
        const Bytes bytes = receive(wire::simple_reply_size);
        REQUIRE(bytes.size() == wire::simple_reply_size);
        const wire::SimpleReply reply = wire::decode_simple_reply(bytes.data());
        REQUIRE(reply.magic == wire::simple_reply_magic);
        return reply;
    }
    /// The next chunk of a structured or extended reply.
    Chunk chunk() {
        const bool extended = agreement_.dialect == wire::Dialect::extended;
        const Bytes head = receive(wire::chunk_size_of(agreement_.dialect));
        REQUIRE(head.size() == wire::chunk_size_of(agreement_.dialect));
        REQUIRE(wire::load<std::uint32_t>(head.data()) ==
                (extended ? wire::extended_reply_magic : wire::structured_reply_magic));
        Chunk chunk;
        chunk.last = (wire::load<std::uint16_t>(&head[4]) & wire::done) != 0;
        chunk.type = static_cast<wire::Chunk>(wire::load<std::uint16_t>(&head[6]));
        chunk.cookie = wire::load<std::uint64_t>(&head[8]);
        if (extended)
            chunk.request_offset = wire::load<std::uint64_t>(&head[16]);
        chunk.payload =
            receive(extended ? wire::load<std::uint64_t>(&head[24]) : wire::load<std::uint32_t>(&head[16]));
        return chunk;
    }
    std::uint32_t ask(const wire::RequestHeader &header, const Bytes &payload = {}) {
        post(header, payload);
        return reply().error;
    }
    bool at_end() { return receive(1).empty(); }
    bool has_input(int milliseconds = 50) {
        pollfd state{socket_.fd(), POLLIN, 0};
        return ::poll(&state, 1, milliseconds) == 1;
    }
    void half_close() { ::shutdown(socket_.fd(), SHUT_WR); }
    void close() { socket_.close(); }

private:
    const nbd::Agreement agreement_;
    io::Socket socket_;
};

inline wire::RequestHeader request(wire::Command command, std::uint64_t offset = 0, std::uint32_t length = 0,
                                   std::uint64_t cookie = 1) {
    return {.command = command, .cookie = cookie, .offset = offset, .length = length};
}

} // namespace session_test
