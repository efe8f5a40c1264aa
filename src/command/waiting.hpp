// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/call.hpp"
#include "command/maps.hpp"

#include <string>

namespace command {

/// Answers the call with how something ended: its lines, and well or the error.
Maps::Ended answer_with_outcome(const CallPointer &call);

/// Begins something at a map that takes its time, and answers the call when it ends: with its lines, or its
/// error. When the call is cancelled it is called off. Throws base::Error(ENXIO) without the map.
void answer_when_ended(const CallPointer &call, Maps &maps, const std::string &map,
                       Maps::Beginning beginning);

} // namespace command
