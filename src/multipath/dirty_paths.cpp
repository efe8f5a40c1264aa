// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/dirty_paths.hpp"

#include <algorithm>
#include <utility>

namespace multipath {

DirtyPaths::DirtyPaths(block::CompletionQueue &finished, base::Delegate<> idle) noexcept
    : finished_(finished)
    , idle_(idle) {}

void DirtyPaths::meet(block::Device &device) { dirty_.push_back({&device, device.generation()}); }

void DirtyPaths::is_stable(const block::Device &device, std::uint64_t generation) noexcept {
    std::erase_if(dirty_,
                  [&](const Mark &mark) { return mark.device == &device && mark.generation == generation; });
}

void DirtyPaths::look_for_losses() noexcept {
    const auto is_lost = [](const Mark &mark) { return mark.device->generation() != mark.generation; };
    bool found = std::erase_if(dirty_, is_lost) != 0;
    // Marked, so that the end of its flush does not count the same loss again: clients may come between.
    for (Mark &mark : flushing_)
        if (!mark.counted_as_lost && is_lost(mark))
            mark.counted_as_lost = found = true;
    if (found)
        ++loss_epoch_;
}

bool DirtyPaths::has_lost(const block::Request &request) noexcept {
    look_for_losses();
    return request.loss_epoch < loss_epoch_;
}

void DirtyPaths::flush(block::Request &request, const block::Device *except) {
    const auto needs_flush = [except](const Mark &mark) { return mark.device != except; };
    if (has_lost(request)) {
        finished_.add(request, block::Status::target_error(EIO));
        return;
    }
    if (flushes_in_flight_ == 0 && std::ranges::none_of(dirty_, needs_flush)) {
        finished_.add(request, block::Status::success());
        return;
    }
    // A running round began before this request came: writes acknowledged since are not in it.
    next_.push_back(request);
    if (flushes_in_flight_ == 0)
        start_round();
}

void DirtyPaths::start_round() {
    running_.take_all(next_);
    std::swap(flushing_, dirty_);
    dirty_.clear();
    // All are counted first: a device must not end the round before the last one was asked.
    flushes_in_flight_ = flushing_.size();
    if (flushing_.empty()) {
        end_round();
        return;
    }
    for (Mark &mark : flushing_) {
        block::Request &request = requests_.make();
        request.operation = block::Operation::flush;
        request.push(*this, &mark);
        mark.device->submit(request);
    }
}

void DirtyPaths::completed(block::Request &request, block::Status status) noexcept {
    const Mark &mark = *static_cast<const Mark *>(request.popped());
    // A flush that a restarted server answered covers nothing of what the dead one held.
    if (!mark.counted_as_lost && (!status.ok() || mark.device->generation() != mark.generation))
        ++loss_epoch_;
    requests_.end(request);
    if (--flushes_in_flight_ == 0)
        end_round();
}

void DirtyPaths::end_round() noexcept {
    flushing_.clear();
    while (!running_.empty()) {
        block::Request &request = running_.pop_front();
        const bool lost = request.loss_epoch < loss_epoch_;
        finished_.add(request, lost ? block::Status::target_error(EIO) : block::Status::success());
    }
    if (std::exchange(again_, false) || !next_.empty())
        start_round();
    else
        idle_();
}

void DirtyPaths::flush_all() {
    look_for_losses();
    if (flushes_in_flight_ == 0)
        start_round();
    else
        again_ = true;
}

} // namespace multipath
