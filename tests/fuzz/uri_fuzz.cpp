// SPDX-License-Identifier: BSD-3-Clause
// Any text as the URI of a path, of every kind there is.
#include "backend/backend.hpp"
#include "base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view uri(reinterpret_cast<const char *>(data), size);
    for (const backend::Type *type : backend::all_types()) {
        try {
            type->check_uri(uri);
        } catch (const base::Error &) {
            // refused
        }
    }
    return 0;
}
