// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/call.hpp"
#include "command/maps.hpp"

#include <string>

namespace command {

/// Begins something at a map that takes its time, and answers the call when it ends: with its lines, or its
/// error. When the call is cancelled it is called off. Throws base::Error(ENXIO) without the map.
void answer_when_ended(const CallPointer &call, Maps &maps, const std::string &map,
                       Maps::Beginning beginning);

} // namespace command
