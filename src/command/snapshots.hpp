// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "command/call.hpp"
#include "command/maps.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace command {

/// Throws base::Error(ENXIO) when there is no such map.
void require_map(const Maps &maps, std::string_view map);

/// Runs `look` on one map's worker, then `then` with what it returned on the control loop. Without the map
/// the call fails with ENXIO; when the call has ended meanwhile, nothing happens.
template <typename T>
void visit_one(const CallPointer &call, Maps &maps, const std::string &map,
               std::function<T(MapAccess &map)> look, std::function<void(const T &)> then) {
    require_map(maps, map);
    // Shared between the step, which fills it on the map's worker, and its end on the control loop.
    const auto found = std::make_shared<T>();
    maps.visit(
        map, [found, look = std::move(look)](MapAccess &access) { *found = look(access); },
        [call, found, then = std::move(then)](const std::optional<base::Error> &error) {
            if (error)
                call->fail(*error);
            else if (call->open())
                then(*found);
        });
}

/// The same for all maps, asked at once, in the order of the configuration. A map that goes away meanwhile is
/// left out.
template <typename T>
void visit_all(const CallPointer &call, Maps &maps, std::function<T(MapAccess &map)> look,
               std::function<void(const std::vector<T> &)> then) {
    /// Shared by the steps that are on their way: the last to come back has all and goes on.
    struct Gathering {
        std::vector<std::shared_ptr<T>> found;
        std::size_t missing = 0;
    };
    const std::vector<std::string> names = maps.names();
    if (names.empty())
        return then({});
    const auto gathering = std::make_shared<Gathering>();
    gathering->found.resize(names.size());
    gathering->missing = names.size();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto found = std::make_shared<T>();
        maps.visit(
            names[i], [found, look](MapAccess &access) { *found = look(access); },
            [call, gathering, found, i, then](const std::optional<base::Error> &error) {
                if (!error)
                    gathering->found[i] = found;
                if (--gathering->missing != 0 || !call->open())
                    return;
                std::vector<T> present;
                for (const auto &each : gathering->found)
                    if (each != nullptr)
                        present.push_back(*each);
                then(present);
            });
    }
}

/// visit_one() for the map's snapshot.
void with_snapshot(const CallPointer &call, Maps &maps, const std::string &map,
                   std::function<void(const MapSnapshot &)> then);
/// visit_all() for the maps' snapshots.
void with_all_snapshots(const CallPointer &call, Maps &maps,
                        std::function<void(const std::vector<MapSnapshot> &)> then);

} // namespace command
