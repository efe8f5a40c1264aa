// SPDX-License-Identifier: BSD-3-Clause
// What maps have done, and for whom: show stats, show clients.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "command/snapshots.hpp"

#include <fmt/format.h>

namespace command {

namespace {

using Snapshots = std::vector<MapSnapshot>;

/// A line for each path entry of the map, and one for itself.
void print_statistics(Call &call, const MapSnapshot &map, std::string_view prefix) {
    for (const multipath::PathStatistics &entry : map.statistics)
        call.line(fmt::format("{}path={} pg={} requests={} bytes={} errors={}", prefix, entry.path,
                              entry.group, entry.counters.requests, entry.counters.bytes,
                              entry.counters.errors));
    call.line(fmt::format("{}held={} held_oldest_ms={} in_doubt={}", prefix, map.held,
                          map.held_oldest.count(), map.in_doubt));
}

/// Names need no escapes: base::name_problem() sees to it.
std::string json_of(const MapSnapshot &map) {
    std::string paths;
    for (const multipath::PathStatistics &entry : map.statistics)
        paths += fmt::format(R"({}{{"path":"{}","pg":{},"requests":{},"bytes":{},"errors":{}}})",
                             paths.empty() ? "" : ",", entry.path, entry.group, entry.counters.requests,
                             entry.counters.bytes, entry.counters.errors);
    return fmt::format(R"({{"map":"{}","held":{},"held_oldest_ms":{},"in_doubt":{},"paths":[{}]}})", map.name,
                       map.held, map.held_oldest.count(), map.in_doubt, paths);
}

std::string json_of(const Snapshots &maps) {
    std::string all;
    for (const MapSnapshot &map : maps)
        all += (all.empty() ? "" : ",") + json_of(map);
    return "[" + all + "]";
}

void show_statistics(const CallPointer &call, Maps &maps) {
    std::vector<std::string> words(call->arguments().begin() + 1, call->arguments().end());
    const bool json = !words.empty() && words.back() == "json";
    if (json)
        words.pop_back();
    if (words.size() > 1)
        throw base::Error(EINVAL, "usage: show stats [MAP] [json]");
    if (!words.empty()) {
        with_snapshot(call, maps, words[0], [call, json](const MapSnapshot &map) {
            if (json)
                call->line(json_of(map));
            else
                print_statistics(*call, map, "");
            call->ok();
        });
        return;
    }
    with_all_snapshots(call, maps, [call, json](const Snapshots &all) {
        if (json)
            call->line(json_of(all));
        else
            for (const MapSnapshot &map : all)
                print_statistics(*call, map, map.name + ": ");
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
    if (call->arguments().size() > 2)
        throw base::Error(EINVAL, "usage: show clients [MAP]");
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
    {"show", "stats|clients [MAP] [json]", 1, 3, "what each path has done, who has an export open", false,
     show_what},
};

} // namespace

const Family show{rows};

} // namespace command
