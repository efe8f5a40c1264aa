// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"

#include <vector>

namespace base {

/// The active timers of one scheduler, earliest first (a binary heap; grows, never shrinks).
class TimerQueue {
public:
    void add(Timer &timer);
    void remove(Timer &timer) noexcept;
    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    [[nodiscard]] TimePoint next() const noexcept { return heap_.front()->when(); }
    /// Fires every timer that is due at `now`, also those that firing makes due; true when any was.
    bool fire_due(TimePoint now) noexcept;

private:
    void place(std::size_t index, Timer &timer) noexcept;
    void sift_up(std::size_t index) noexcept;
    void sift_down(std::size_t index) noexcept;

    std::vector<Timer *> heap_;
};

} // namespace base
