// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/export_name.hpp"

#include "wire/protocol.hpp"

#include <array>
#include <cstdint>

namespace nbd {

namespace {

// Length of the character that `first` begins, 0 when none can begin so.
std::size_t character_length(std::uint8_t first) noexcept {
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first < 0xe0)
        return 2;
    if (first >= 0xe0 && first < 0xf0)
        return 3;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

// Overlong forms, surrogates and what lies beyond U+10FFFF.
bool is_forbidden(std::uint32_t code, std::size_t length) noexcept {
    constexpr std::array<std::uint32_t, 5> smallest{0, 1, 0x80, 0x800, 0x10000}; // 1: NUL is refused here
    return code < smallest[length] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff;
}

} // namespace

bool is_export_name(std::string_view name) noexcept {
    if (name.size() > wire::longest_string)
        return false;
    for (std::size_t at = 0; at < name.size();) {
        const auto first = static_cast<std::uint8_t>(name[at]);
        const std::size_t length = character_length(first);
        if (length == 0 || length > name.size() - at)
            return false;
        std::uint32_t code = length == 1 ? first : first & (0x7fU >> length);
        for (std::size_t i = 1; i < length; ++i) {
            const auto next = static_cast<std::uint8_t>(name[at + i]);
            if ((next & 0xc0) != 0x80)
                return false;
            code = code << 6 | (next & 0x3fU);
        }
        if (is_forbidden(code, length))
            return false;
        at += length;
    }
    return true;
}

} // namespace nbd
