// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// Numbers as the NBD protocol writes them: big endian, not aligned. Pure functions; the caller has checked
/// lengths.
namespace wire {

namespace detail {
inline std::uint16_t swap(std::uint16_t value) noexcept { return __builtin_bswap16(value); }
inline std::uint32_t swap(std::uint32_t value) noexcept { return __builtin_bswap32(value); }
inline std::uint64_t swap(std::uint64_t value) noexcept { return __builtin_bswap64(value); }
} // namespace detail

template <typename Number>
Number load(const std::byte *from) noexcept {
    Number value;
    std::memcpy(&value, from, sizeof value);
    return std::endian::native == std::endian::little ? detail::swap(value) : value;
}

/// Returns the byte behind the number.
template <typename Number>
std::byte *store(std::byte *to, Number value) noexcept {
    if constexpr (std::endian::native == std::endian::little)
        value = detail::swap(value);
    std::memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

} // namespace wire
