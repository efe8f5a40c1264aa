// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/request_stream.hpp"

#include "nbd/channel.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

namespace nbd {

namespace {
// From here on a payload is received where it belongs; below, a copy is cheaper than another system call.
constexpr std::size_t large_payload = std::size_t{16} << 10;
// Behind a large payload probably another one comes: take its header, and little of what would have to be
// copied.
constexpr std::size_t read_ahead = 4096;
} // namespace

bool RequestStream::borrow() noexcept {
    if (block_ != nullptr)
        return true;
    room_ = block_size;
    block_ = blocks_.take(block_size);
    if (block_ == nullptr) {
        room_ = small_block_size;
        block_ = blocks_.take_anyway(small_block_size);
    }
    if (block_ == nullptr)
        return false;
    std::copy_n(partial_.data(), kept_, block_);
    begin_ = 0;
    end_ = std::exchange(kept_, 0);
    return true;
}

RequestStream::Received RequestStream::receive(Channel &channel) noexcept {
    assert(header() == nullptr);
    iovec vectors[2];
    std::size_t count = 0;
    const std::size_t direct = std::min(payload_left_, block_size);
    if (direct > 0)
        vectors[count++] = {payload_to_, direct};
    std::size_t behind = 0;
    if (direct == payload_left_) {
        if (!borrow())
            return Received::failed;
        const bool expects_payload = large_payloads_ && skip_left_ == 0;
        behind = expects_payload ? read_ahead : block_size - std::min(end_ + direct, block_size);
        behind = std::min(behind, room_ - end_);
        if (behind > 0)
            vectors[count++] = {block_ + end_, behind};
    }
    const ssize_t got = channel.receive({vectors, count});
    if (got == 0)
        return Received::end;
    if (got < 0)
        return errno == EAGAIN ? Received::nothing : Received::failed;
    return took(static_cast<std::size_t>(got), direct + behind);
}

RequestStream::Received RequestStream::took(std::size_t bytes, std::size_t asked) noexcept {
    filled_ = bytes == asked;
    const std::size_t direct = std::min({bytes, payload_left_, block_size});
    payload_to_ += direct;
    payload_left_ -= direct;
    end_ += bytes - direct;
    const std::size_t skipped = std::min(skip_left_, buffered());
    begin_ += skipped;
    skip_left_ -= skipped;
    return Received::bytes;
}

const std::byte *RequestStream::header() const noexcept {
    if (payload_left_ > 0 || skip_left_ > 0 || buffered() < header_size_)
        return nullptr;
    return block_ + begin_;
}

void RequestStream::take_payload(std::byte *to, std::size_t length) noexcept {
    const std::size_t here = std::min(length, buffered());
    std::copy_n(block_ + begin_, here, to);
    begin_ += here;
    payload_to_ = to + here;
    payload_left_ = length - here;
    large_payloads_ = length >= large_payload;
}

void RequestStream::skip(std::size_t length) noexcept {
    const std::size_t here = std::min(length, buffered());
    begin_ += here;
    skip_left_ = length - here;
}

bool RequestStream::mid_message() const noexcept {
    return payload_left_ > 0 || skip_left_ > 0 || kept_ > 0 || (buffered() > 0 && header() == nullptr);
}

void RequestStream::settle() noexcept {
    if (block_ == nullptr || header() != nullptr)
        return;
    // At most a part of a header is left, which is kept aside.
    kept_ = buffered();
    std::copy_n(block_ + begin_, kept_, partial_.data());
    blocks_.give_back(std::exchange(block_, nullptr), room_);
    begin_ = end_ = 0;
}

void RequestStream::clear() noexcept {
    if (block_ != nullptr)
        blocks_.give_back(std::exchange(block_, nullptr), room_);
    begin_ = end_ = kept_ = payload_left_ = skip_left_ = 0;
}

} // namespace nbd
