// SPDX-License-Identifier: BSD-3-Clause
// Any text as a rule of fault injection: refused, or printed as a rule that means the same.
#include "backend/fault_rule.hpp"
#include "base/error.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    try {
        const backend::FaultSpec spec = backend::parse_fault({reinterpret_cast<const char *>(data), size});
        const backend::FaultSpec again = backend::parse_fault(spec.text);
        if (again.text != spec.text || again.operations != spec.operations || again.offset != spec.offset ||
            again.length != spec.length || again.every != spec.every || again.count != spec.count)
            std::abort();
        block::Request request;
        request.length = 4096;
        backend::FaultRule rule(spec);
        (void)rule.takes(request);
    } catch (const base::Error &) {
        // refused
    }
    return 0;
}
