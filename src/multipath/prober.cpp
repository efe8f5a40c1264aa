// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/prober.hpp"

#include <cassert>

namespace multipath {

Prober::Prober(Owner &owner) noexcept
    : owner_(owner) {}
Prober::~Prober() { assert(in_flight_ == 0); }

void Prober::start(const PriorityGroup &group) {
    assert(in_flight_ == 0);
    while (reads_.size() < group.paths.size())
        reads_.push_back(std::make_unique<ProbeRead>());
    for (const auto &path : group.paths)
        if (path->active && reads_[path->index]->send(*path->device, *this, path.get()))
            ++in_flight_;
}

void Prober::completed(block::Request &request, block::Status status) noexcept {
    --in_flight_;
    owner_.path_probed(*static_cast<Path *>(request.popped()), status);
    if (in_flight_ == 0)
        owner_.probe_over();
}

} // namespace multipath
