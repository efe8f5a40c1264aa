// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/codec.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace nbd {

class SessionRequest;

/// The piece of a request's reply that is told next: a head, and the bytes behind it, which lie elsewhere: at
/// `body`, or where that is null in the request's pipe.
struct Reply {
    std::array<std::byte, wire::extended_reply_size + 12> head;
    std::size_t head_size = 0;
    std::byte *body = nullptr;
    std::size_t body_size = 0;
    std::size_t left = 0; ///< bytes of a read's data that stand in later pieces
    [[nodiscard]] std::size_t size() const noexcept { return head_size + body_size; }
};

/// Puts replies into the words of a dialect. Pure. Hot path.
class ReplyEncoder {
public:
    /// No chunk carries more data than `largest_chunk`, unless the request asked for one chunk only.
    ReplyEncoder(wire::Dialect dialect, std::size_t largest_chunk) noexcept
        : dialect_(dialect)
        , largest_chunk_(largest_chunk) {}

    /// Begins the reply; `text` (at most 4096 bytes, which stay where they are) says more about an error
    /// where the dialect can.
    void begin(SessionRequest &request, wire::Error error, std::string_view text) const noexcept;
    [[nodiscard]] std::size_t largest_chunk() const noexcept { return largest_chunk_; }
    /// While reply.left is not 0: the next piece of a read's data.
    void next(SessionRequest &request) const noexcept;

private:
    void chunk(SessionRequest &request, wire::Chunk type, std::size_t length,
               wire::ChunkFlag flags = wire::done) const noexcept;
    template <typename Number>
    static void append(Reply &reply, Number value) noexcept;
    static void simple(SessionRequest &request, wire::Error error) noexcept;
    void fail(SessionRequest &request, wire::Error error, std::string_view text) const noexcept;
    void extents(SessionRequest &request) const noexcept;

    wire::Dialect dialect_;
    std::size_t largest_chunk_;
};

/// What a client is told about an error of the device.
[[nodiscard]] std::string_view text_of(wire::Error error) noexcept;

} // namespace nbd
