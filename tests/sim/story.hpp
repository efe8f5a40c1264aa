// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/event.hpp"
#include "verdict.hpp"

#include <algorithm>
#include <array>
#include <deque>

namespace sim {

/// The events that the model foresees, in order, and the map's event number.
class Story {
public:
    explicit Story(Verdict &verdict)
        : verdict_(verdict) {}

    void expect(std::string line) { expected_.push_back(std::move(line)); }
    /// Checks the number that an event was told with.
    void count(const multipath::Event &event) {
        static constexpr std::array<std::string_view, 6> counted{
            "PATH_FAILED", "PATH_REINSTATED", "PG_DISABLED", "PG_ENABLED", "PG_SWITCH", "RENAMED"};
        const bool counts = std::ranges::find(counted, event.action) != counted.end();
        number_ += counts ? 1 : 0;
        if (event.counted != counts || event.event_number != number_)
            verdict_.fail("{} has event number {} instead of {}", event.action, event.event_number, number_);
    }
    /// Whether that is the next one expected; then it no longer is.
    bool take(std::string_view line) {
        if (expected_.empty() || expected_.front() != line)
            return false;
        expected_.pop_front();
        return true;
    }
    void expect_nothing_more() {
        if (!expected_.empty())
            verdict_.fail("'{}' was not told", expected_.front());
    }
    [[nodiscard]] std::string next() const { return expected_.empty() ? "nothing" : expected_.front(); }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] unsigned next_path_event() noexcept { return ++path_events_; }

private:
    Verdict &verdict_;
    std::deque<std::string> expected_;
    std::uint64_t number_ = 0;
    unsigned path_events_ = 0;
};

} // namespace sim
