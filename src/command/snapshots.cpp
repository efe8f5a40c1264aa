// SPDX-License-Identifier: BSD-3-Clause
#include "command/snapshots.hpp"

namespace command {

void require_map(const Maps &maps, std::string_view map) {
    if (!maps.has(map))
        throw base::Error(ENXIO, "there is no map '{}'; 'ls' lists them", map);
}

void with_snapshot(const CallPointer &call, Maps &maps, const std::string &map,
                   std::function<void(const MapSnapshot &)> then) {
    visit_one<MapSnapshot>(
        call, maps, map, [](MapAccess &access) { return access.snapshot(); }, std::move(then));
}

void with_all_snapshots(const CallPointer &call, Maps &maps,
                        std::function<void(const std::vector<MapSnapshot> &)> then) {
    visit_all<MapSnapshot>(
        call, maps, [](MapAccess &access) { return access.snapshot(); }, std::move(then));
}

} // namespace command
