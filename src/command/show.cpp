// SPDX-License-Identifier: BSD-3-Clause
// How paths are, what they have done, and for whom: show paths, show stats, show clients.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "command/snapshots.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace command {

namespace {

using Snapshots = std::vector<MapSnapshot>;

/// A line for each path entry of the map, and one for itself.
void print_statistics(Call &call, const MapSnapshot &map, std::string_view prefix) {
    for (const multipath::PathStatistics &entry : map.statistics)
        call.line(fmt::format("{}path={} pg={} requests={} bytes={} errors={}", prefix, entry.path,
                              entry.group, entry.counters.requests, entry.counters.bytes,
                              entry.counters.errors));
    call.line(fmt::format("{}held={} held_oldest_ms={} in_doubt={} unflushed={} memory={} memory_limit={}",
                          prefix, map.held, map.held_oldest.count(), map.in_doubt, map.unflushed, map.memory,
                          map.memory_limit));
}

std::string_view state_of(const multipath::PathStatistics &entry) {
    return entry.why_failed.empty() ? "active" : "failed";
}

/// Of what is not there nothing.
std::string stated(std::string_view key, std::string_view value) {
    return value.empty() ? std::string() : fmt::format(" {}={}", key, value);
}

void print_paths(Call &call, const MapSnapshot &map, std::string_view prefix) {
    for (const multipath::PathStatistics &entry : map.statistics)
        call.line(fmt::format(
            "{}path={} pg={} state={}{}{}{}{}", prefix, entry.path, entry.group, state_of(entry),
            entry.why_failed.empty() ? "" : fmt::format(" why=\"{}\"", entry.why_failed),
            stated("access", entry.access), stated("wwid", entry.wwid), stated("fence", entry.fence)));
}

/// Of each path entry what `one` makes of it. Names need no escapes: base::name_problem() sees to it.
template <typename One>
std::string list_of(const MapSnapshot &map, One one) {
    std::string all;
    for (const multipath::PathStatistics &entry : map.statistics)
        all += fmt::format(R"({}{{"path":"{}","pg":{},{}}})", all.empty() ? "" : ",", entry.path, entry.group,
                           one(entry));
    return fmt::format(R"("paths":[{}])", all);
}

std::string statistics_json(const MapSnapshot &map) {
    const auto counters = [](const multipath::PathStatistics &entry) {
        return fmt::format(R"("requests":{},"bytes":{},"errors":{})", entry.counters.requests,
                           entry.counters.bytes, entry.counters.errors);
    };
    return fmt::format(R"({{"map":"{}","held":{},"held_oldest_ms":{},"in_doubt":{},"unflushed":{},)"
                       R"("memory":{},"memory_limit":{},{}}})",
                       map.name, map.held, map.held_oldest.count(), map.in_doubt, map.unflushed, map.memory,
                       map.memory_limit, list_of(map, counters));
}

std::string paths_json(const MapSnapshot &map) {
    const auto state = [](const multipath::PathStatistics &entry) {
        const auto pair = [](std::string_view key, std::string_view value) {
            return value.empty() ? std::string() : fmt::format(R"(,"{}":"{}")", key, value);
        };
        return fmt::format(R"("state":"{}","why":"{}"{}{}{})", state_of(entry), entry.why_failed,
                           pair("access", entry.access), pair("wwid", entry.wwid),
                           pair("fence", entry.fence));
    };
    return fmt::format(R"({{"map":"{}",{}}})", map.name, list_of(map, state));
}

/// What can be shown of a map.
struct View {
    std::string_view name;
    void (*print)(Call &call, const MapSnapshot &map, std::string_view prefix);
    std::string (*json)(const MapSnapshot &map);
};
constexpr View views[] = {{"stats", print_statistics, statistics_json}, {"paths", print_paths, paths_json}};

void show_maps(const CallPointer &call, Maps &maps, const View &view) {
    std::vector<std::string> words(call->arguments().begin() + 1, call->arguments().end());
    const bool json = !words.empty() && words.back() == "json";
    if (json)
        words.pop_back();
    if (words.size() > 1)
        throw base::Error(EINVAL, "usage: show {} [MAP] [json]", view.name);
    if (!words.empty()) {
        with_snapshot(call, maps, words[0], [call, json, &view](const MapSnapshot &map) {
            if (json)
                call->line(view.json(map));
            else
                view.print(*call, map, "");
            call->ok();
        });
        return;
    }
    with_all_snapshots(call, maps, [call, json, &view](const Snapshots &all) {
        std::string list;
        for (const MapSnapshot &map : all) {
            if (json)
                list += (list.empty() ? "" : ",") + view.json(map);
            else
                view.print(*call, map, map.name + ": ");
        }
        if (json)
            call->line("[" + list + "]");
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
    const auto *view = std::ranges::find(views, what, &View::name);
    if (view != std::end(views))
        show_maps(call, maps, *view);
    else if (what == "clients")
        show_clients(call, maps);
    else
        throw base::Error(EINVAL, "cannot show '{}'; say 'show paths', 'show stats' or 'show clients'", what);
}

constexpr Row rows[] = {
    {"show", "paths|stats|clients [MAP] [json]", 1, 3, "paths, what each has done, who has an export open",
     false, show_what},
};

} // namespace

const Family show{rows};

} // namespace command
