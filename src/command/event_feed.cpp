// SPDX-License-Identifier: BSD-3-Clause
#include "command/event_feed.hpp"

#include "multipath/event.hpp"

#include <utility>

namespace command {

EventFeed::Subscription::Subscription(EventFeed &feed, std::string map, Listener listener)
    : map_(std::move(map))
    , listener_(listener) {
    feed.subscriptions_.push_back(*this);
}

EventFeed::Subscription::~Subscription() { unlink(); }

void EventFeed::publish_renamed(std::string_view map, const multipath::Event &event,
                                std::string_view name) noexcept {
    // Each goes back into the feed before it is called: whatever a listener adds or ends, no place in a list
    // is lost.
    base::List<Subscription> round;
    round.take_all(subscriptions_);
    while (!round.empty()) {
        Subscription &subscription = round.pop_front();
        subscriptions_.push_back(subscription);
        const bool listens = subscription.map_ == map;
        if (listens)
            subscription.map_ = name;
        if (listens || subscription.map_.empty())
            subscription.listener_(map, event);
    }
}

} // namespace command
