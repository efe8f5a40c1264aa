// SPDX-License-Identifier: BSD-3-Clause
#include "locks_model.hpp"

#include <algorithm>

namespace sim {

LocksModel::Lock &LocksModel::lock_of(const Io &io) {
    const auto found = std::ranges::find(locks_, &io, &Lock::io);
    if (found != locks_.end())
        return *found;
    return locks_.emplace_back(Lock{.io = &io, .first_block = io.first_block, .block_count = io.block_count});
}

void LocksModel::doubt(const Io &io, base::TimePoint until) {
    Lock &lock = lock_of(io);
    lock.until = std::max(lock.until, until);
}

void LocksModel::doubt(const Change &change, base::TimePoint until) {
    locks_.push_back({.io = nullptr,
                      .first_block = change.first_block,
                      .block_count = change.block_count,
                      .until = until});
}

void LocksModel::came_back(const Io &io) {
    for (Lock &lock : locks_)
        if (lock.io == &io)
            lock.at_path = false;
}

void LocksModel::expire(base::TimePoint now) {
    std::erase_if(locks_, [now](const Lock &lock) { return lock.is_due(now); });
}

bool LocksModel::bars(const Io &io) const noexcept {
    return io.changes_data() && std::ranges::any_of(locks_, [&io](const Lock &lock) {
               return lock.io != &io && io.first_block < lock.first_block + lock.block_count &&
                      lock.first_block < io.first_block + io.block_count;
           });
}

bool LocksModel::any_due(base::TimePoint now) const noexcept {
    return std::ranges::any_of(locks_, [now](const Lock &lock) { return lock.is_due(now); });
}

} // namespace sim
