// SPDX-License-Identifier: BSD-3-Clause
#include "base/timer_queue.hpp"

namespace base {

void TimerQueue::add(Timer &timer) {
    heap_.push_back(&timer);
    timer.index_ = heap_.size() - 1;
    sift_up(timer.index_);
}

void TimerQueue::remove(Timer &timer) noexcept {
    const std::size_t index = timer.index_;
    Timer &last = *heap_.back();
    heap_.pop_back();
    timer.index_ = Timer::inactive;
    if (&last == &timer)
        return;
    place(index, last);
    sift_up(index);
    sift_down(last.index_);
}

bool TimerQueue::fire_due(TimePoint now) noexcept {
    bool any = false;
    while (!heap_.empty() && heap_.front()->when() <= now) {
        Timer &timer = *heap_.front();
        remove(timer);
        timer.fire();
        any = true;
    }
    return any;
}

void TimerQueue::place(std::size_t index, Timer &timer) noexcept {
    heap_[index] = &timer;
    timer.index_ = index;
}

void TimerQueue::sift_up(std::size_t index) noexcept {
    Timer &timer = *heap_[index];
    while (index > 0) {
        const std::size_t parent = (index - 1) / 2;
        if (heap_[parent]->when() <= timer.when())
            break;
        place(index, *heap_[parent]);
        index = parent;
    }
    place(index, timer);
}

void TimerQueue::sift_down(std::size_t index) noexcept {
    Timer &timer = *heap_[index];
    for (;;) {
        std::size_t child = 2 * index + 1;
        if (child >= heap_.size())
            break;
        if (child + 1 < heap_.size() && heap_[child + 1]->when() < heap_[child]->when())
            ++child;
        if (timer.when() <= heap_[child]->when())
            break;
        place(index, *heap_[child]);
        index = child;
    }
    place(index, timer);
}

} // namespace base
