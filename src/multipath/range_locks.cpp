// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/range_locks.hpp"

#include <algorithm>
#include <utility>

namespace multipath {

RangeLocks::RangeLocks(base::Scheduler &scheduler, base::Delegate<> freed) noexcept
    : scheduler_(scheduler)
    , freed_(freed)
    , expiry_(scheduler, base::Delegate<>::to<&RangeLocks::expire>(*this)) {}

RangeLocks::Bar RangeLocks::bar(const block::Request &request) const noexcept {
    Bar bar = Bar::none;
    if (!request.changes_data())
        return bar;
    for (const Lock &lock : locks_)
        if (lock.id != request.range_lock && request.offset < lock.end &&
            lock.begin < request.offset + request.length)
            bar = std::max(bar, lock.shut_for != nullptr ? Bar::refuses : Bar::waits);
    return bar;
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
                                    .shut_for = nullptr,
                                    .begin = request.offset,
                                    .end = request.offset + request.length,
                                    .until = {}});
}

void RangeLocks::lock(block::Request &request, base::Duration time) {
    Lock &lock = lock_of(request);
    lock.until = std::max(lock.until, scheduler_.now() + time);
    arm();
}

void RangeLocks::shut(block::Request &request, const block::Device &device) {
    lock_of(request).shut_for = &device;
    expiry_.start_in({}); // what waits for this range is refused now
    has_shut_ = true;
}

void RangeLocks::open(const block::Device &device, base::Duration after) noexcept {
    for (Lock &lock : locks_)
        if (lock.shut_for == &device) {
            lock.shut_for = nullptr;
            lock.until = std::max(lock.until, scheduler_.now() + after);
        }
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
        if (!lock.at_path && lock.shut_for == nullptr)
            next = std::min(next, lock.until);
    if (next != base::TimePoint::max() && (!expiry_.active() || next < expiry_.when()))
        expiry_.start_at(next);
}

void RangeLocks::expire() noexcept {
    const base::TimePoint now = scheduler_.now();
    const auto ended = std::erase_if(locks_, [now](const Lock &lock) {
        return !lock.at_path && lock.shut_for == nullptr && lock.until <= now;
    });
    arm();
    if (std::exchange(has_shut_, false) || ended != 0)
        freed_();
}

} // namespace multipath
