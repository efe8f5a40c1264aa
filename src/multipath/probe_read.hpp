// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/priority_group.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace multipath {

/// A read of the first block of a path's device, to see whether it works.
class ProbeRead {
public:
    ProbeRead();

    /// False, and nothing sent, when the device has not one whole block. `layer` hears of the end, with
    /// `pointer` as what it popped.
    bool send(block::Device &device, block::Layer &layer, void *pointer);

private:
    struct Free {
        void operator()(std::byte *buffer) const noexcept { std::free(buffer); }
    };
    block::Request request_;
    std::unique_ptr<std::byte, Free> buffer_;
};

} // namespace multipath
