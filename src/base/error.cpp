// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"

#include <cstring>

namespace base {

std::string errno_name(int code) {
    const char *name = strerrorname_np(code);
    return name != nullptr ? name : fmt::format("E{}", code);
}

std::string errno_text(int code) {
    const char *text = strerrordesc_np(code);
    return text != nullptr ? text : fmt::format("error {}", code);
}

} // namespace base
