// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace multipath {

/// What a path entry has done since its table was loaded.
struct PathCounters {
    std::uint64_t requests = 0; ///< given to the device, whatever became of them
    std::uint64_t bytes = 0;    ///< that these read, write, trim or zero
    std::uint64_t errors = 0;   ///< path errors among their ends
};

/// A copy of a path entry's counters and state, for who looks.
struct PathStatistics {
    std::string path;
    unsigned group; ///< its number
    PathCounters counters;
    std::string_view why_failed{}; ///< a literal; empty: it is active
    std::string_view access{};     ///< a literal: what the hardware handler knows of it; empty: nothing
    // Of who put the map together; empty: there is nothing to say.
    std::string wwid{};
    std::string_view fence{}; ///< a literal: how a write in doubt can be fenced
};

} // namespace multipath
