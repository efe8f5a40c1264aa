// SPDX-License-Identifier: BSD-3-Clause
#include "block/extents.hpp"

#include <algorithm>
#include <utility>

namespace block {

bool Extents::add(std::uint64_t length, std::uint64_t state) noexcept {
    if (length == 0)
        return true;
    if (count_ > 0 && room_[count_ - 1].state == state) {
        room_[count_ - 1].length += length;
        return true;
    }
    if (count_ == room_.size())
        return false;
    room_[count_++] = {length, state};
    return true;
}

std::uint64_t Extents::length() const noexcept {
    std::uint64_t sum = 0;
    for (const Extent &extent : list())
        sum += extent.length;
    return sum;
}

void Extents::drop_front(std::uint64_t bytes) noexcept {
    std::size_t gone = 0;
    while (gone < count_ && room_[gone].length <= bytes)
        bytes -= room_[gone++].length;
    std::copy(room_.begin() + static_cast<std::ptrdiff_t>(gone),
              room_.begin() + static_cast<std::ptrdiff_t>(count_), room_.begin());
    count_ -= gone;
    if (count_ > 0)
        room_[0].length -= bytes;
}

void Extents::limit(std::uint64_t bytes) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        room_[i].length = std::min(room_[i].length, bytes);
        bytes -= room_[i].length;
        if (bytes == 0) {
            count_ = i + 1;
            return;
        }
    }
}

void Extents::align(std::uint64_t block) noexcept {
    const std::size_t count = std::exchange(count_, 0);
    std::uint64_t part = 0; // bytes of a block that is not complete, and what they share
    std::uint64_t shared = 0;
    for (std::size_t i = 0; i < count; ++i) {
        Extent extent = room_[i];
        if (part > 0) {
            const std::uint64_t missing = std::min(extent.length, block - part);
            shared &= extent.state;
            part += missing;
            extent.length -= missing;
            if (part == block) {
                // More borders may arise than there were: what was not looked at yet must not be overwritten.
                if (count_ > i || !add(block, shared))
                    return;
                part = 0;
            }
        }
        const std::uint64_t rest = extent.length % block;
        if (extent.length > rest && (count_ > i || !add(extent.length - rest, extent.state)))
            return;
        if (rest > 0) {
            part = rest;
            shared = extent.state;
        }
    }
    if (count_ == 0)
        add(block, allocated);
}

} // namespace block
