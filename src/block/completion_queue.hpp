// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/request.hpp"

#include <bit>

namespace block {

/// Ends requests a little later, never inside submit(). A device owns one and adds what is done; the layer
/// above hears of it in a step of its own, in order.
class CompletionQueue {
public:
    explicit CompletionQueue(base::Scheduler &scheduler) noexcept
        : scheduler_(scheduler)
        , task_(base::Delegate<>::to<&CompletionQueue::deliver>(*this)) {}

    void add(Request &request, Status status) noexcept {
        request.device_word = std::bit_cast<std::uint64_t>(status);
        done_.push_back(request);
        ++size_;
        scheduler_.post(task_);
    }
    /// Requests that were added and have not been handed back yet.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

private:
    void deliver() noexcept {
        // Only what is there now: completing may submit, and that may be done at once.
        base::List<Request> batch;
        batch.take_all(done_);
        while (!batch.empty()) {
            Request &request = batch.pop_front();
            --size_;
            request.complete(std::bit_cast<Status>(request.device_word));
        }
    }

    base::Scheduler &scheduler_;
    base::Task task_;
    base::List<Request> done_;
    std::size_t size_ = 0;
};

} // namespace block
