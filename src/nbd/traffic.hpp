// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/request.hpp"

#include <cstdint>

namespace nbd {

/// What was given to a device.
struct Traffic {
    std::uint64_t requests = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;

    void count(const block::Request &request) noexcept {
        ++requests;
        if (request.operation == block::Operation::read)
            read_bytes += request.length;
        else if (request.operation == block::Operation::write)
            written_bytes += request.length;
    }
};

} // namespace nbd
