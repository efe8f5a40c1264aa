// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/carrier.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace multipath {

void Carrier::take_over(Path &path) noexcept {
    if (target_ != nullptr)
        return;
    target_ = &path;
    go_on();
}

void Carrier::go_on() noexcept {
    if (target_ == nullptr || flushing_ || replaying_ != 0 || !owner_.drained())
        return;
    if (!target_->active) { // it has failed meanwhile, or is another disk
        target_ = nullptr;
        owner_.takeover_ended();
    } else if (log_.empty() || (is_intact() && device_ == target_->device)) {
        target_generation_ = target_->device->generation();
        end_takeover(true);
    } else if (!flush()) {
        begin_replay();
    }
}

bool Carrier::flush() noexcept {
    if (flushing_ || !is_intact())
        return flushing_;
    flushing_ = true;
    owner_.flush_begins();
    flush_covers_ = log_.last_number();
    flush_.operation = block::Operation::flush;
    flush_.push(*this, nullptr);
    device_->submit(flush_);
    return true;
}

void Carrier::completed(block::Request &request, block::Status status) noexcept {
    if (&request == &flush_)
        flush_ended(status);
    else
        entry_replayed(request, status);
}

void Carrier::flush_ended(block::Status status) noexcept {
    flushing_ = false;
    // One that a restarted server answered covers nothing of what the dead one had.
    if (status.ok() && !is_intact())
        status = block::Status::path_lost();
    if (status.ok())
        log_.drop_until(flush_covers_);
    else
        trusted_ = false;
    owner_.flushed(*device_, status);
    go_on();
}

void Carrier::begin_replay() noexcept {
    if (device_ != nullptr && device_ != target_->device)
        leave_carrier();
    target_generation_ = target_->device->generation();
    replay_failed_ = false;
    replay_more();
}

void Carrier::replay_more() noexcept {
    base::List<UnflushedLog::Entry> &waiting = log_.entries();
    replay_failed_ = replay_failed_ || !target_->active;
    while (!replay_failed_ && !waiting.empty() && replaying_ < most_at_once &&
           !overlaps_running(waiting.front())) {
        UnflushedLog::Entry &entry = waiting.pop_front();
        replayed_.push_back(entry);
        replay(entry);
    }
    if (replaying_ != 0)
        return;
    replayed_.take_all(waiting);
    waiting.take_all(replayed_);
    end_takeover(!replay_failed_);
}

bool Carrier::overlaps_running(const UnflushedLog::Entry &entry) const noexcept {
    return std::ranges::any_of(running_, [&entry](const UnflushedLog::Entry *running) {
        return running != nullptr && running->begin < entry.end && entry.begin < running->end;
    });
}

void Carrier::replay(UnflushedLog::Entry &entry) noexcept {
    UnflushedLog::Entry *&slot = *std::ranges::find(running_, nullptr);
    slot = &entry;
    ++replaying_;
    block::Request &request = requests_.make();
    request.operation = entry.operation;
    request.no_hole = entry.no_hole;
    request.offset = entry.begin;
    request.length = entry.end - entry.begin;
    request.data = entry.data;
    request.push(*this, &slot);
    target_->device->submit(request);
}

void Carrier::entry_replayed(block::Request &request, block::Status status) noexcept {
    *static_cast<UnflushedLog::Entry **>(request.popped()) = nullptr;
    --replaying_;
    if (status.outcome != block::Outcome::path_lost) // it has had it, or may have it yet
        leave(*target_->device, target_generation_);
    if (status.is_path_error()) {
        replay_failed_ = true;
        owner_.replay_failed(*target_, request, status);
    } else if (!status.ok()) {
        owner_.replay_refused(*target_, status);
    }
    requests_.end(request);
    replay_more();
}

void Carrier::end_takeover(bool well) noexcept {
    const Path &path = *std::exchange(target_, nullptr);
    if (well) {
        if (device_ != path.device)
            log_.untaint();
        device_ = path.device;
        generation_ = target_generation_;
        trusted_ = true;
        const std::vector<Mark> left = std::exchange(left_, {});
        for (const Mark &mark : left) {
            if (mark.device == device_ || mark.is_dead() || holds_back(*mark.device))
                continue;
            quarantined_.push_back(mark);
            owner_.quarantined(*mark.device);
        }
        release(*device_);
    } else {
        trusted_ = false;
    }
    owner_.takeover_ended();
}

void Carrier::leave(const block::Device &device, std::uint64_t generation) {
    for (Mark &mark : left_) {
        if (mark.device == &device) {
            mark.generation = std::max(mark.generation, generation);
            return;
        }
    }
    left_.push_back({&device, generation});
}

void Carrier::taint(const block::Device &device, std::uint64_t generation) noexcept {
    if (&device != device_ || generation != generation_) {
        leave(device, generation);
        return;
    }
    log_.taint();
    tainted_generation_ = generation;
}

void Carrier::leave_carrier() { leave(*device_, log_.entries().empty() ? tainted_generation_ : generation_); }

bool Carrier::holds_back(const block::Device &device) const noexcept {
    return std::ranges::any_of(
        quarantined_, [&device](const Mark &mark) { return mark.device == &device && !mark.is_dead(); });
}

void Carrier::release(const block::Device &device) noexcept {
    std::erase_if(quarantined_, [&device](const Mark &mark) { return mark.device == &device; });
}

} // namespace multipath
