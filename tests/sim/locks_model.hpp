// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "disk.hpp"

#include <vector>

namespace sim {

/// The ranges that newer changes of data must stay out of (design D3, D5): paths were given changes of them
/// whose end nobody knows.
class LocksModel {
public:
    /// It may land until then.
    void doubt(const Io &io, base::TimePoint until);
    /// The same of what the map does again.
    void doubt(const Change &change, base::TimePoint until);
    /// A path has it, and its client is gone.
    void orphan(const Io &io) { lock_of(io).at_path = true; }
    /// The path gave it back.
    void came_back(const Io &io);
    /// Drops the locks that need not be any more.
    void expire(base::TimePoint now);

    [[nodiscard]] bool bars(const Io &io) const noexcept;
    [[nodiscard]] std::size_t count() const noexcept { return locks_.size(); }
    [[nodiscard]] bool any_due(base::TimePoint now) const noexcept;

private:
    struct Lock {
        const Io *io; ///< nullptr: the map's own
        unsigned first_block;
        unsigned block_count;
        base::TimePoint until{};
        bool at_path = false;
        [[nodiscard]] bool is_due(base::TimePoint now) const noexcept { return !at_path && until <= now; }
    };
    Lock &lock_of(const Io &io);

    std::vector<Lock> locks_;
};

} // namespace sim
