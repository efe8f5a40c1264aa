// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a configuration, with every plug-in's own checks.
#include "config/parse.hpp"
#include "daemon/plan.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const config::Environment environment = nbdmpathd::environment();
    try {
        (void)config::parse({reinterpret_cast<const char *>(data), size}, "f", environment);
    } catch (const config::Errors &errors) {
        if (errors.lines().empty())
            std::abort();
    }
    return 0;
}
