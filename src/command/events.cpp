// SPDX-License-Identifier: BSD-3-Clause
// What happens in maps: wait, events. The only commands that last, so their sessions wait with them.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "command/event_feed.hpp"
#include "command/maps.hpp"
#include "command/snapshots.hpp"
#include "command/status_line.hpp"
#include "multipath/event.hpp"

#include <algorithm>

namespace command {

namespace {

/// Answers when the map's event number differs from `number` (reference 2.15): not when it is greater.
class Wait final : public Call::Waiting {
public:
    Wait(Call &call, Maps &maps, std::string map, std::optional<std::uint64_t> number)
        : call_(call)
        , maps_(maps)
        , number_(number)
        , subscription_(maps.events(), std::move(map), EventFeed::Listener::to<&Wait::heard>(*this)) {}

    /// `this` lives as long as the call is open; with_snapshot() sees to that.
    void ask(const CallPointer &call) {
        self_ = call;
        with_snapshot(call, maps_, subscription_.map(), [this](const MapSnapshot &map) { answered(map); });
    }

private:
    void answered(const MapSnapshot &map) {
        if (!number_)
            number_ = map.event_number;
        known_ = true;
        latest_ = std::max(latest_, map.event_number);
        if (map.event_number != *number_) {
            call_.line(status_line(map));
            call_.ok();
        } else if (latest_ != *number_) {
            ask_again();
        }
    }
    void heard(std::string_view, const multipath::Event &event) {
        latest_ = std::max(latest_, event.event_number);
        if (known_ && latest_ != *number_)
            ask_again();
    }
    /// The line shows the map as it is after the event, and a map that is gone answers ENXIO.
    void ask_again() {
        const CallPointer call = self_.lock();
        if (!call || !call->open())
            return;
        known_ = false;
        try {
            ask(call);
        } catch (const base::Error &error) {
            call->fail(error);
        }
    }

    Call &call_;
    Maps &maps_;
    std::optional<std::uint64_t> number_;
    std::uint64_t latest_ = 0; // the newest number heard of
    bool known_ = false;       // a snapshot is there and none is on its way
    std::weak_ptr<Call> self_; // weak: the call owns this
    EventFeed::Subscription subscription_;
};

void wait(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    require_map(maps, arguments[0]);
    std::optional<std::uint64_t> number;
    if (arguments.size() == 2 && !(number = base::parse_number(arguments[1])))
        throw base::Error(EINVAL, "'{}' is not an event number", arguments[1]);
    auto waiting = std::make_unique<Wait>(*call, maps, arguments[0], number);
    Wait &kept = *waiting;
    call->keep(std::move(waiting));
    kept.ask(call);
}

/// Prints every event until the session closes.
class Stream final : public Call::Waiting {
public:
    Stream(Call &call, Maps &maps, std::string map)
        : call_(call)
        , subscription_(maps.events(), std::move(map), EventFeed::Listener::to<&Stream::heard>(*this)) {}

private:
    void heard(std::string_view map, const multipath::Event &event) {
        call_.line(fmt::format("EVENT {} {} {}{}{}", map, event.event_number, event.action,
                               event.details.empty() ? "" : " ", event.details));
    }

    Call &call_;
    EventFeed::Subscription subscription_;
};

void stream(const CallPointer &call, Maps &maps) {
    std::string map;
    if (!call->arguments().empty()) {
        map = call->arguments()[0];
        require_map(maps, map);
    }
    call->keep(std::make_unique<Stream>(*call, maps, map));
}

constexpr Row rows[] = {
    {"wait", "MAP [N]", 1, 2, "replies with status when the event number differs from N", false, wait},
    {"events", "[MAP]", 0, 1, "prints what happens until the session closes", false, stream},
};

} // namespace

const Family events{rows};

} // namespace command
