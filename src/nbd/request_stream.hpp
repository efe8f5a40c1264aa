// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/buffer_pool.hpp"
#include "wire/codec.hpp"

namespace nbd {

class Channel;

/// What comes in from one client in the transmission phase: received by large chunks, taken apart in place. A
/// block is borrowed only while bytes are in it, so an idle session holds none; a small one when `blocks` has
/// no other left, so that nobody has to wait for one. Hot path.
class RequestStream {
public:
    static constexpr std::size_t block_size = std::size_t{256} << 10;
    static constexpr std::size_t small_block_size = std::size_t{4} << 10;

    enum class Received {
        bytes,
        nothing, ///< not now
        end,     ///< the peer will send no more
        failed,  ///< the peer, or our memory, is gone
    };

    /// `header_size`: of the requests, at most wire::extended_request_size.
    RequestStream(base::BufferPool &blocks, std::size_t header_size) noexcept
        : blocks_(blocks)
        , header_size_(header_size) {}
    RequestStream(const RequestStream &) = delete;
    RequestStream &operator=(const RequestStream &) = delete;
    ~RequestStream() { clear(); }

    /// One receive of about a block. Only when header() is null.
    Received receive(Channel &channel) noexcept;
    /// Whether the last receive got all it had room for: there is probably more.
    [[nodiscard]] bool filled() const noexcept { return filled_; }

    /// The next header, when it is here completely and nothing before it is due.
    [[nodiscard]] const std::byte *header() const noexcept;
    /// Bytes that were received and not taken yet.
    [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }
    void drop_header() noexcept {
        begin_ += header_size_;
        large_payloads_ = false;
    }
    /// After drop_header(): the next `length` bytes belong at `to`; what has not come yet is received there.
    void take_payload(std::byte *to, std::size_t length) noexcept;
    [[nodiscard]] bool payload_complete() const noexcept { return payload_left_ == 0; }
    /// After drop_header(): the next `length` bytes are of no use.
    void skip(std::size_t length) noexcept;
    [[nodiscard]] bool skipped() const noexcept { return skip_left_ == 0; }
    /// Part of a message is here and the rest is not.
    [[nodiscard]] bool mid_message() const noexcept;

    /// To be called when the caller goes back to wait: returns the block when no message is in it.
    void settle() noexcept;
    /// Forgets everything.
    void clear() noexcept;

private:
    bool borrow() noexcept;
    Received took(std::size_t bytes, std::size_t asked) noexcept;

    base::BufferPool &blocks_;
    const std::size_t header_size_;
    std::byte *block_ = nullptr;
    std::size_t room_ = 0; ///< of the block
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t kept_ = 0; ///< bytes of a header in partial_, while there is no block
    wire::ExtendedRequestBytes partial_;
    std::byte *payload_to_ = nullptr;
    std::size_t payload_left_ = 0;
    std::size_t skip_left_ = 0;
    bool large_payloads_ = false; ///< the last message had one: expect another
    bool filled_ = false;
};

} // namespace nbd
