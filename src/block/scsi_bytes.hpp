// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace block {

/// What a unit answered, read within its bounds: what did not come is zero.
class ScsiBytes {
public:
    ScsiBytes(std::span<const std::byte> bytes) noexcept // an answer is one
        : bytes_(bytes) {}

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    /// Big endian.
    template <typename Number>
    [[nodiscard]] Number number(std::size_t at) const noexcept {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(Number); ++i)
            value = value << 8 | (at + i < size() ? std::to_integer<std::uint64_t>(bytes_[at + i]) : 0);
        return static_cast<Number>(value);
    }
    [[nodiscard]] std::uint8_t byte(std::size_t at) const noexcept { return number<std::uint8_t>(at); }
    [[nodiscard]] bool bit(std::size_t at, unsigned bit) const noexcept {
        return (byte(at) >> bit & 1U) != 0;
    }
    /// As much of it as there is.
    [[nodiscard]] ScsiBytes part(std::size_t at, std::size_t length) const noexcept {
        at = std::min(at, size());
        return bytes_.subspan(at, std::min(length, size() - at));
    }
    /// From there to the end.
    [[nodiscard]] ScsiBytes from(std::size_t at) const noexcept { return part(at, size()); }

private:
    std::span<const std::byte> bytes_;
};

} // namespace block
