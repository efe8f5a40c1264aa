// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/range_locks.hpp"

#include <algorithm>

namespace multipath {

RangeLocks::RangeLocks(base::Scheduler &scheduler, base::Delegate<> freed) noexcept
    : scheduler_(scheduler)
    , freed_(freed)
    , expiry_(scheduler, base::Delegate<>::to<&RangeLocks::expire>(*this)) {}

bool RangeLocks::bars(const block::Request &request) const noexcept {
    return request.changes_data() && std::ranges::any_of(locks_, [&request](const Lock &lock) {
               return lock.id != request.range_lock && request.offset < lock.end &&
                      lock.begin < request.offset + request.length;
           });
}

RangeLocks::Lock &RangeLocks::lock_of(block::Request &request) {
    const auto found = std::ranges::find(locks_, request.range_lock, &Lock::id);
    if (request.range_lock != 0 && found != locks_.end())
        return *found;
    // 0 is none, and an id lives as long as its request at most.
    last_id_ += last_id_ + 1 == 0 ? 2 : 1;
    request.range_lock = last_id_;
    return locks_.emplace_back(Lock{.id = last_id_,
                                    .at_path = false,
                                    .begin = request.offset,
                                    .end = request.offset + request.length,
                                    .until = {}});
}

void RangeLocks::lock(block::Request &request, base::Duration time) {
    Lock &lock = lock_of(request);
    lock.until = std::max(lock.until, scheduler_.now() + time);
    arm();
}

void RangeLocks::lock_until_end(block::Request &request) { lock_of(request).at_path = true; }

void RangeLocks::ended(const block::Request &request) noexcept {
    for (Lock &lock : locks_)
        if (lock.id == request.range_lock)
            lock.at_path = false;
    arm();
}

void RangeLocks::arm() noexcept {
    base::TimePoint next = base::TimePoint::max();
    for (const Lock &lock : locks_)
        if (!lock.at_path)
            next = std::min(next, lock.until);
    if (next != base::TimePoint::max() && (!expiry_.active() || next < expiry_.when()))
        expiry_.start_at(next);
}

void RangeLocks::expire() noexcept {
    const base::TimePoint now = scheduler_.now();
    const auto ended =
        std::erase_if(locks_, [now](const Lock &lock) { return !lock.at_path && lock.until <= now; });
    arm();
    if (ended != 0)
        freed_();
}

} // namespace multipath
