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
    } else if ((log_.empty() && !needs_flush()) || (is_intact() && device_ == target_->device)) {
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
    flush_scope_ = flush_scope();
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
        flush_succeeded(flush_scope_);
    else
        trusted_ = false;
    owner_.flushed(*device_, status);
    go_on();
}

void Carrier::begin_replay() noexcept {
    if (device_ != nullptr && device_ != target_->device && !log_.empty())
        leave(*device_, generation_);
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
        leave(*target_->device, target_generation_, status.in_doubt());
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
        device_ = path.device;
        generation_ = target_generation_;
        trusted_ = true;
        const std::vector<Mark> left = std::exchange(left_, {});
        for (const Mark &mark : left) {
            if (mark.is_dead() || holds_back(*mark.device))
                continue;
            if (mark.device == device_) {
                left_.push_back(mark);
                continue;
            }
            quarantined_.push_back(mark);
            owner_.quarantined(*mark.device);
        }
        release(*device_);
    } else {
        trusted_ = false;
    }
    owner_.takeover_ended();
}

void Carrier::leave(const block::Device &device, std::uint64_t generation, bool late) {
    const auto known = std::ranges::find(left_, &device, &Mark::device);
    Mark &mark = known != left_.end() ? *known : left_.emplace_back(Mark{&device, generation, 0});
    mark.generation = std::max(mark.generation, generation);
    mark.number = log_.take_number();
    mark.is_late = mark.is_late || late;
    mark.is_flushed = false;
}

bool Carrier::needs_flush() const noexcept {
    const auto mark = std::ranges::find(left_, device_, &Mark::device);
    return mark != left_.end() && !mark->is_flushed && !mark->is_dead();
}

void Carrier::flush_succeeded(const FlushScope &scope) noexcept {
    log_.drop_until(scope.last_number);
    const auto mark = std::ranges::find(left_, device_, &Mark::device);
    if (mark == left_.end() || mark->number > scope.last_number)
        return;
    mark->is_flushed = true;
    if (scope.is_settled || !mark->is_late)
        left_.erase(mark);
}

bool Carrier::holds_back(const block::Device &device) const noexcept {
    return std::ranges::any_of(
        quarantined_, [&device](const Mark &mark) { return mark.device == &device && !mark.is_dead(); });
}

void Carrier::release(const block::Device &device) noexcept {
    std::erase_if(quarantined_, [&device](const Mark &mark) { return mark.device == &device; });
}

} // namespace multipath
