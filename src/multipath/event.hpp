// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace multipath {

/// One line of the event stream (semantics reference 4.8).
struct Event {
    std::string_view action;    ///< "PATH_FAILED", "PG_SWITCH"…
    std::string details;        ///< "path=a nr_valid=1 seq=3"; may be empty
    std::uint64_t event_number; ///< of the map, after this event
    bool counted;               ///< whether it raised the event number
};

/// Hears of what happens in a map. On its worker, in the middle of the change: it may copy, and must not call
/// back.
class Observer {
public:
    virtual void event(const Event &event) noexcept = 0;
    /// A line for the log, the kernel's text where it has one; without the map's name.
    virtual void warning(std::string_view text) noexcept = 0;
    /// A request begins to wait, for whatever (design D8).
    virtual void request_waits() noexcept {}

protected:
    ~Observer() = default;
};

} // namespace multipath
