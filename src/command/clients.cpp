// SPDX-License-Identifier: BSD-3-Clause
// Who uses the exports: kick. `show clients` tells who that is.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "command/maps.hpp"
#include "command/snapshots.hpp"

#include <algorithm>

namespace command {

namespace {

void kick(const CallPointer &call, Maps &maps) {
    const auto number = base::parse_number(call->arguments()[0]);
    if (!number)
        throw base::Error(EINVAL, "'{}' is not a client's number; 'show clients' tells them",
                          call->arguments()[0]);
    // Numbers, because a vector of truth values is something else.
    visit_all<int>(
        call, maps, [number](MapAccess &map) { return map.kick(*number) ? 1 : 0; },
        [call](const std::vector<int> &kicked) {
            if (std::ranges::count(kicked, 1) != 0)
                call->ok();
            else
                call->fail(ENOENT, "there is no such client; 'show clients' lists them");
        });
}

constexpr Row rows[] = {
    {"kick", "CLIENT", 1, 1, "hangs up on a client, by its number", true, kick},
};

} // namespace

const Family clients{rows};

} // namespace command
