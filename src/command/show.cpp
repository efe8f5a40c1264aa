// SPDX-License-Identifier: BSD-3-Clause
// What maps have done: show stats.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "command/snapshots.hpp"

#include <fmt/format.h>

namespace command {

namespace {

/// A line for each path entry of the map.
void print_statistics(const CallPointer &call, const MapSnapshot &map, std::string_view prefix) {
    for (const multipath::PathStatistics &entry : map.statistics)
        call->line(fmt::format("{}path={} pg={} requests={} bytes={} errors={}", prefix, entry.path,
                               entry.group, entry.counters.requests, entry.counters.bytes,
                               entry.counters.errors));
}

void show_what(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    if (arguments[0] != "stats")
        throw base::Error(EINVAL, "cannot show '{}'; say 'show stats'", arguments[0]);
    if (arguments.size() > 1) {
        with_snapshot(call, maps, arguments[1], [call](const MapSnapshot &map) {
            print_statistics(call, map, "");
            call->ok();
        });
        return;
    }
    with_all_snapshots(call, maps, [call](const std::vector<MapSnapshot> &all) {
        for (const MapSnapshot &map : all)
            print_statistics(call, map, map.name + ": ");
        call->ok();
    });
}

constexpr Row rows[] = {
    {"show", "stats [MAP]", 1, 2, "requests, bytes and errors of each path", false, show_what},
};

} // namespace

const Family show{rows};

} // namespace command
