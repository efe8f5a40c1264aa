// SPDX-License-Identifier: BSD-3-Clause
#include "command/snapshots.hpp"

#include "base/error.hpp"
#include "command/maps.hpp"

#include <memory>
#include <utility>

namespace command {

namespace {

/// Shared by the steps that are on their way: the last to come back has all and goes on.
struct Gathering {
    CallPointer call;
    std::vector<MapSnapshot> snapshots;
    std::vector<bool> there;
    std::size_t missing = 0;
    std::function<void(const std::vector<MapSnapshot> &)> then;

    void came_back() {
        if (--missing != 0 || !call->open())
            return;
        std::vector<MapSnapshot> present;
        for (std::size_t i = 0; i < snapshots.size(); ++i)
            if (there[i])
                present.push_back(std::move(snapshots[i]));
        then(present);
    }
};

Maps::Step copy_to(const std::shared_ptr<MapSnapshot> &copy) {
    return [copy](MapAccess &map) { *copy = map.snapshot(); };
}

} // namespace

void require_map(const Maps &maps, std::string_view map) {
    if (!maps.has(map))
        throw base::Error(ENXIO, "there is no map '{}'; 'ls' lists them", map);
}

void with_snapshot(const CallPointer &call, Maps &maps, const std::string &map,
                   std::function<void(const MapSnapshot &)> then) {
    require_map(maps, map);
    // Shared between the step, which fills it on the map's worker, and its end on the control loop.
    const auto copy = std::make_shared<MapSnapshot>();
    maps.visit(map, copy_to(copy),
               [call, copy, then = std::move(then)](const std::optional<base::Error> &error) {
                   if (error)
                       call->fail(*error);
                   else if (call->open())
                       then(*copy);
               });
}

void with_all_snapshots(const CallPointer &call, Maps &maps,
                        std::function<void(const std::vector<MapSnapshot> &)> then) {
    const std::vector<std::string> names = maps.names();
    if (names.empty())
        return then({});
    const auto gathering = std::make_shared<Gathering>(Gathering{call, std::vector<MapSnapshot>(names.size()),
                                                                 std::vector<bool>(names.size()),
                                                                 names.size(), std::move(then)});
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto copy = std::make_shared<MapSnapshot>();
        maps.visit(names[i], copy_to(copy), [gathering, copy, i](const std::optional<base::Error> &error) {
            gathering->snapshots[i] = std::move(*copy);
            gathering->there[i] = !error;
            gathering->came_back();
        });
    }
}

} // namespace command
