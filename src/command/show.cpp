// SPDX-License-Identifier: BSD-3-Clause
// What maps have done, and for whom: show stats, show clients.
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

void show_statistics(const CallPointer &call, Maps &maps) {
    if (call->arguments().size() > 1) {
        with_snapshot(call, maps, call->arguments()[1], [call](const MapSnapshot &map) {
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

using Clients = std::vector<ClientSnapshot>;

void print_clients(Call &call, const Clients &clients) {
    for (const ClientSnapshot &client : clients)
        call.line(fmt::format("{} {} export={} tls={} requests={} read={} written={} in_flight={} seconds={}",
                              client.number, client.peer, client.export_name, client.tls, client.requests,
                              client.read_bytes, client.written_bytes, client.in_flight,
                              client.connected.count()));
}

void show_clients(const CallPointer &call, Maps &maps) {
    const auto look = [](const MapAccess &map) { return map.clients(); };
    if (call->arguments().size() > 1) {
        visit_one<Clients>(call, maps, call->arguments()[1], look, [call](const Clients &clients) {
            print_clients(*call, clients);
            call->ok();
        });
        return;
    }
    visit_all<Clients>(call, maps, look, [call](const std::vector<Clients> &all) {
        for (const Clients &clients : all)
            print_clients(*call, clients);
        call->ok();
    });
}

void show_what(const CallPointer &call, Maps &maps) {
    const std::string &what = call->arguments()[0];
    if (what == "stats")
        show_statistics(call, maps);
    else if (what == "clients")
        show_clients(call, maps);
    else
        throw base::Error(EINVAL, "cannot show '{}'; say 'show stats' or 'show clients'", what);
}

constexpr Row rows[] = {
    {"show", "stats|clients [MAP]", 1, 2, "what each path has done, who has an export open", false,
     show_what},
};

} // namespace

const Family show{rows};

} // namespace command
