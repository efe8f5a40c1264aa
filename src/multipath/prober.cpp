// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/prober.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>

namespace multipath {

namespace {
constexpr std::size_t largest_block = 64 << 10; // block::Geometry::minimum_block

struct Free {
    void operator()(std::byte *buffer) const noexcept { std::free(buffer); }
};
} // namespace

struct Prober::Read {
    Read()
        : buffer(static_cast<std::byte *>(std::aligned_alloc(4096, largest_block))) {}
    block::Request request;
    std::unique_ptr<std::byte, Free> buffer;
};

Prober::Prober(Owner &owner) noexcept
    : owner_(owner) {}
Prober::~Prober() { assert(in_flight_ == 0); }

void Prober::start(const PriorityGroup &group) {
    assert(in_flight_ == 0);
    std::vector<Path *> paths;
    for (const auto &path : group.paths) {
        const block::Geometry &disk = path->device->geometry();
        if (path->active && disk.size >= disk.minimum_block)
            paths.push_back(path.get());
    }
    while (reads_.size() < paths.size())
        reads_.push_back(std::make_unique<Read>());
    in_flight_ = paths.size();
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const block::Geometry &disk = paths[i]->device->geometry();
        block::Request &request = reads_[i]->request;
        request.operation = block::Operation::read;
        request.offset = 0;
        request.length = std::min<std::uint64_t>(std::max(disk.minimum_block, 512U), disk.size);
        request.length -= request.length % disk.minimum_block;
        request.data = reads_[i]->buffer.get();
        request.push(*this, paths[i]);
        paths[i]->device->submit(request);
    }
}

void Prober::completed(block::Request &request, block::Status status) noexcept {
    --in_flight_;
    owner_.path_probed(*static_cast<Path *>(request.popped()), status);
    if (in_flight_ == 0)
        owner_.probe_over();
}

} // namespace multipath
