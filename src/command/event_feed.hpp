// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "base/list.hpp"

#include <string>
#include <string_view>

namespace multipath {
struct Event;
}

namespace command {

/// Hands the events of all maps to who wants them. The daemon owns it and feeds it copies, on the control
/// loop; an event's `action` is a literal. Outlives every subscription.
class EventFeed {
public:
    using Listener = base::Delegate<std::string_view, const multipath::Event &>;

    /// Hears from its making to its end. May be ended, and others made or ended, while an event is delivered.
    class Subscription : private base::ListHook {
    public:
        /// `map` empty: all maps.
        Subscription(EventFeed &feed, std::string map, Listener listener);
        ~Subscription();

        /// Which it listens to, by its present name; empty: all.
        [[nodiscard]] const std::string &map() const noexcept { return map_; }

    private:
        friend class EventFeed;
        friend class base::List<Subscription>;
        std::string map_;
        Listener listener_;
    };

    /// Not from inside a listener.
    void publish(std::string_view map, const multipath::Event &event) noexcept {
        publish_renamed(map, event, map);
    }
    /// The same of a map that has another name from now on: who listens to it goes on doing so.
    void publish_renamed(std::string_view map, const multipath::Event &event, std::string_view name) noexcept;

private:
    base::List<Subscription> subscriptions_;
};

} // namespace command
