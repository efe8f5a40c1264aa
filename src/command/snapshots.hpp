// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/call.hpp"
#include "command/map_snapshot.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace command {

class Maps;

/// Throws base::Error(ENXIO) when there is no such map.
void require_map(const Maps &maps, std::string_view map);

/// Asks one map for its snapshot, then calls `then` on the control loop. Without the map the call fails with
/// ENXIO; when the call has ended meanwhile, nothing happens.
void with_snapshot(const CallPointer &call, Maps &maps, const std::string &map,
                   std::function<void(const MapSnapshot &)> then);

/// The same for all maps, asked at once, in the order of the configuration. A map that goes away meanwhile is
/// left out.
void with_all_snapshots(const CallPointer &call, Maps &maps,
                        std::function<void(const std::vector<MapSnapshot> &)> then);

} // namespace command
