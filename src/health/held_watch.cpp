// SPDX-License-Identifier: BSD-3-Clause
#include "health/held_watch.hpp"

#include <fmt/format.h>
#include <utility>

namespace health {

void HeldWatch::look() noexcept {
    const base::TimePoint now = scheduler_.now();
    const base::Duration oldest = map_.held_oldest();
    if (map_.held() == 0) {
        if (std::exchange(told_, false))
            tell_("no request waits any more", false);
        return;
    }
    if (told_ ? now >= next_ : oldest >= look_interval) {
        tell_(fmt::format("requests {}wait, the oldest for {:.0f} s: {}", told_ ? "still " : "",
                          std::chrono::duration<double>(oldest).count(), map_.held_text()),
              true);
        told_ = true;
        next_ = now + tell_interval;
    }
    timer_.start_in(look_interval);
}

} // namespace health
