// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"

#include <cstring>

namespace base {

std::string errno_name(int code) {
    const char *name = strerrorname_np(code);
    return name != nullptr ? name : fmt::format("E{}", code);
}

std::optional<int> errno_value(std::string_view name) {
    // The C library knows one name for each value; these are the other ones.
    if (name == "ENOTSUP")
        return ENOTSUP;
    if (name == "EWOULDBLOCK")
        return EWOULDBLOCK;
    constexpr int largest = 4095; // that the kernel has room for
    for (int code = 1; code <= largest; ++code)
        if (const char *known = strerrorname_np(code); known != nullptr && name == known)
            return code;
    return std::nullopt;
}

std::string errno_text(int code) {
    const char *text = strerrordesc_np(code);
    return text != nullptr ? text : fmt::format("error {}", code);
}

} // namespace base
