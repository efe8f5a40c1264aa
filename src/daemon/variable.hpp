// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdlib>
#include <string>

namespace nbdmpathd {

/// The value of an environment variable, which is no more afterwards: no child takes it for its own. Only
/// before there are threads.
inline std::string take_variable(const char *name) {
    const char *value = std::getenv(name);
    std::string result(value == nullptr ? "" : value);
    ::unsetenv(name);
    return result;
}

} // namespace nbdmpathd
