// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/connection_limit.hpp"

#include "io/worker.hpp"

namespace nbd {

ConnectionLimit::Slot::~Slot() {
    if (limit_ == nullptr)
        return;
    ConnectionLimit &limit = *limit_;
    limit.control_.post_from_anywhere([freed = std::move(limit_)] { freed->release(); });
}

ConnectionLimit::Slot ConnectionLimit::take() {
    ++used_;
    return Slot(shared_from_this());
}

void ConnectionLimit::release() noexcept {
    --used_;
    if (freed_)
        freed_();
}

} // namespace nbd
