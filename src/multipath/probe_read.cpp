// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/probe_read.hpp"

#include <algorithm>

namespace multipath {

namespace {
constexpr std::size_t largest_block = 64 << 10; // block::Geometry::minimum_block
} // namespace

ProbeRead::ProbeRead()
    : buffer_(static_cast<std::byte *>(std::aligned_alloc(4096, largest_block))) {}

bool ProbeRead::send(block::Device &device, block::Layer &layer, void *pointer) {
    const block::Geometry &disk = device.geometry();
    if (disk.size < disk.minimum_block || disk.size == 0)
        return false;
    request_.operation = block::Operation::read;
    request_.offset = 0;
    request_.length = std::min<std::uint64_t>(std::max(disk.minimum_block, 512U), disk.size);
    request_.length -= request_.length % disk.minimum_block;
    request_.data = buffer_.get();
    request_.push(layer, pointer);
    device.submit(request_);
    return true;
}

} // namespace multipath
