// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "multipath/map.hpp"

#include <string_view>

namespace health {

/// Tells the log that requests wait, how many, for what and how long (design D8): once they have waited for
/// longer than a failover takes, again now and then, and when none does any more. A timer runs only then.
class HeldWatch {
public:
    using Tell = base::Delegate<std::string_view, bool>; ///< a line without the map's name; whether it is bad
    HeldWatch(base::Scheduler &scheduler, const multipath::Map &map, Tell tell)
        : scheduler_(scheduler)
        , map_(map)
        , tell_(tell)
        , timer_(scheduler, base::Delegate<>::to<&HeldWatch::look>(*this)) {}

    /// A request begins to wait.
    void begin() {
        if (!timer_.active())
            timer_.start_in(look_interval);
    }

private:
    static constexpr base::Duration look_interval = std::chrono::seconds(1);
    static constexpr base::Duration tell_interval = std::chrono::seconds(30);

    void look() noexcept;

    base::Scheduler &scheduler_;
    const multipath::Map &map_;
    const Tell tell_;
    base::Timer timer_;
    bool told_ = false;
    base::TimePoint next_{}; ///< when it is told again
};

} // namespace health
