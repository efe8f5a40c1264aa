// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "base/list.hpp"

namespace multipath {

/// Stands for somebody who waits for a suspend, a resume or a probe of a map, one at a time. Owned by who
/// asked; while pending() it must be given back by Map::withdraw() before it ends.
class Ticket : public base::ListHook {
public:
    /// `done` gets 0 or an errno value; on the map's worker, not inside the call that took the ticket.
    explicit Ticket(base::Delegate<int> done) noexcept
        : done_(done) {}
    [[nodiscard]] bool pending() const noexcept { return linked(); }

private:
    friend class Map;
    enum class Kind : unsigned char { suspend, resume, probe };
    Kind kind_ = Kind::suspend;
    bool noflush_ = false;
    int result_ = 0;
    base::Delegate<int> done_;
};

} // namespace multipath
