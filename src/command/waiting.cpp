// SPDX-License-Identifier: BSD-3-Clause
#include "command/waiting.hpp"

#include "command/snapshots.hpp"

#include <utility>

namespace command {

Maps::Ended answer_with_outcome(const CallPointer &call) {
    return [call](const Outcome &outcome) {
        for (const std::string &line : outcome.lines)
            call->line(line);
        if (outcome.error == 0)
            call->ok();
        else
            call->fail(outcome.error, outcome.text);
    };
}

void answer_when_ended(const CallPointer &call, Maps &maps, const std::string &map,
                       Maps::Beginning beginning) {
    require_map(maps, map);
    call->keep(maps.begin(map, std::move(beginning), answer_with_outcome(call)));
}

} // namespace command
