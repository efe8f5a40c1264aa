// SPDX-License-Identifier: BSD-3-Clause
// What maps are like: ls, status, table, info, deps.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "command/maps.hpp"
#include "command/options.hpp"
#include "command/snapshots.hpp"
#include "command/status_line.hpp"

#include <fmt/format.h>

namespace command {

std::string status_line(const MapSnapshot &map) {
    return fmt::format("0 {} multipath {}", map.size_sectors, map.info);
}

namespace {

std::string table_line(const MapSnapshot &map) {
    return fmt::format("0 {} multipath {}", map.size_sectors, map.table);
}

using Format = std::string (*)(const MapSnapshot &map);

/// One map's line, or every map's with its name in front. As in dmsetup, a map without a live table has none.
template <Format format>
void print_lines(const CallPointer &call, Maps &maps, std::span<const std::string> map) {
    if (!map.empty()) {
        with_snapshot(call, maps, map[0], [call](const MapSnapshot &snapshot) {
            if (snapshot.live_table)
                call->line(format(snapshot));
            call->ok();
        });
        return;
    }
    with_all_snapshots(call, maps, [call](const std::vector<MapSnapshot> &all) {
        for (const MapSnapshot &snapshot : all)
            call->line(
                fmt::format("{}: {}", snapshot.name, snapshot.live_table ? format(snapshot) : std::string()));
        call->ok();
    });
}

void print_status(const CallPointer &call, Maps &maps) {
    print_lines<status_line>(call, maps, call->arguments());
}

void print_table(const CallPointer &call, Maps &maps) {
    const ParsedArguments arguments(call->arguments(), {{"--inactive"}});
    const std::vector<std::string> &words = arguments.words();
    if (!arguments.has("--inactive") && words.size() <= 1)
        return print_lines<table_line>(call, maps, words);
    if (words.size() != 1)
        throw base::Error(EINVAL, "usage: {}", get_row(call->name()).usage());
    with_snapshot(call, maps, words[0], [call](const MapSnapshot &map) {
        if (map.inactive_table)
            call->line(fmt::format("0 {} multipath {}", map.staged_sectors, map.staged_table));
        call->ok();
    });
}

void print_names(const CallPointer &call, Maps &maps) {
    for (const std::string &name : maps.names())
        call->line(name);
    call->ok();
}

std::string tables(const MapSnapshot &map) {
    if (map.live_table)
        return map.inactive_table ? "LIVE INACTIVE" : "LIVE";
    return map.inactive_table ? "INACTIVE" : "none";
}

void print_info(const CallPointer &call, Maps &maps) {
    with_snapshot(call, maps, call->arguments()[0], [call](const MapSnapshot &map) {
        call->line(fmt::format("name: {}", map.name));
        call->line(fmt::format("state: {}", map.suspended ? "SUSPENDED" : "ACTIVE"));
        call->line(fmt::format("tables: {}", tables(map)));
        call->line(fmt::format("open count: {}", map.open_count));
        call->line(fmt::format("event number: {}", map.event_number));
        call->line(fmt::format("size: {}", map.size_sectors));
        call->line(fmt::format("read only: {}", map.read_only ? "yes" : "no"));
        call->line(
            fmt::format("block size: {} {} {}", map.minimum_block, map.preferred_block, map.maximum_block));
        call->line(fmt::format("held: {}", map.held));
        call->line(fmt::format("held oldest ms: {}", map.held_oldest.count()));
        call->line(fmt::format("cache: {}", map.independent_caches ? "independent" : "shared"));
        call->line(fmt::format("in doubt: {}", map.in_doubt));
        call->ok();
    });
}

void print_dependencies(const CallPointer &call, Maps &maps) {
    with_snapshot(call, maps, call->arguments()[0], [call](const MapSnapshot &map) {
        for (const std::string &path : map.dependencies)
            call->line(path);
        call->ok();
    });
}

constexpr Row rows[] = {
    {"ls", "", 0, 0, "the names of all maps", false, print_names},
    {"status", "[MAP]", 0, 1, "state of groups and paths, as dmsetup status", false, print_status},
    {"table", "[--inactive] [MAP]", 0, 2, "the live table, as dmsetup table, or the staged one", false,
     print_table},
    {"info", "MAP", 1, 1, "state, size, clients and held requests of a map", false, print_info},
    {"deps", "MAP", 1, 1, "the paths of a map, each once", false, print_dependencies},
};

} // namespace

const Family status{rows};

} // namespace command
