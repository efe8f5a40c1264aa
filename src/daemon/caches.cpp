// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/caches.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string_view>

namespace nbdmpathd {

std::vector<std::string> path_names(const multipath::Table &table) {
    std::vector<std::string> names;
    for (const auto &group : table.groups())
        for (const auto &path : group->paths)
            if (std::ranges::find(names, path->name) == names.end())
                names.push_back(path->name);
    return names;
}

bool see_one_cache(const std::vector<std::string> &paths, const PathBook &book) {
    std::set<std::string> caches;
    for (const std::string &name : paths) {
        const PathPlan &path = book.find(name)->second;
        caches.insert(path.type->cache_identity(path.settings.uri, path.settings.values));
    }
    return paths.size() <= 1 || (caches.size() == 1 && !caches.begin()->empty());
}

std::string cache_conflict(const multipath::Table &table) {
    for (const auto &group : table.groups()) {
        std::set<std::string_view> devices;
        for (const auto &path : group->paths)
            devices.insert(path->name);
        if (devices.size() > 1)
            return fmt::format("group {} has several paths whose servers may have caches of their own; say "
                               "'cache: shared' if every path sees the same data at once (one server, one "
                               "array, servers on one file of one host or with caching off), else put each "
                               "path into a priority group of its own",
                               group->number);
    }
    return {};
}

} // namespace nbdmpathd
