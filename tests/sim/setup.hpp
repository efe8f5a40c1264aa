// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/map.hpp"
#include "random.hpp"

#include <fmt/format.h>
#include <string>
#include <vector>

namespace sim {

inline constexpr unsigned devices_in_tables = 5; ///< P0 to P4
inline constexpr unsigned devices = 6;           ///< P5 exists and stands in no table
inline constexpr unsigned blocks = 16;           ///< of the disk
inline constexpr unsigned block_size = 8;        ///< bytes: the number of who wrote them

inline std::string device_name(unsigned device) { return fmt::format("P{}", device); }

struct GroupSpec {
    std::string selector;
    std::string selector_arguments; ///< with their count
    std::vector<unsigned> paths;    ///< devices
    std::vector<std::string> path_arguments;
};

/// A table before it is text.
struct TableSpec {
    bool queueing = false;
    bool handler = false;
    unsigned retries = 0;
    int delay_msecs = -1; ///< -1: not given
    unsigned initial = 0;
    std::vector<GroupSpec> groups;

    [[nodiscard]] std::string text() const;
};
/// `single`: every group has one path, and every device one group (design D4).
TableSpec random_table(std::uint64_t seed, bool single);

/// What a run begins with.
struct Setup {
    explicit Setup(std::uint64_t seed);
    multipath::MapOptions options;
    TableSpec table;
    bool starts_by_resume = false; ///< the first table becomes live by a ticket
    bool ends_by_shutdown = false; ///< in the middle of everything
    unsigned length = 0;           ///< actions
    /// What a path left unanswered may still land during this time, as far as the map was told.
    base::Duration ghosts_within{};
    bool disks_independent = false; ///< as the map was told, or not
    std::size_t buffer_memory = 0;  ///< 0: the map has no pool
    /// What the map was told not to reckon with; it must be seen that it does harm.
    enum class Unsafe { nothing, ghosts, caches };
    static inline Unsafe unsafe = Unsafe::nothing;
    static inline bool shares_caches = false; ///< in every run
};

} // namespace sim
