// SPDX-License-Identifier: BSD-3-Clause
// The dm-multipath messages (semantics reference 2.17): what a message means is the map's business.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "command/maps.hpp"
#include "command/snapshots.hpp"

#include <utility>

namespace command {

namespace {

/// A map whose size is not known yet still takes messages: at the sector where every map begins.
void require_sector_inside(std::uint64_t sector, std::uint64_t size_sectors) {
    if (sector != 0 && sector >= size_sectors)
        throw base::Error(EINVAL, "sector {} is outside the map, which has {}", sector, size_sectors);
}

void send_message(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    require_map(maps, arguments[0]);
    const std::optional<std::uint64_t> sector = base::parse_number(arguments[1]);
    if (!sector)
        throw base::Error(EINVAL, "'{}' is not a sector; say 0", arguments[1]);
    auto step = [sector = *sector,
                 words = std::vector<std::string>(arguments.begin() + 2, arguments.end())](MapAccess &map) {
        require_sector_inside(sector, map.size_sectors());
        map.message(words);
    };
    maps.visit(arguments[0], std::move(step), [call](const std::optional<base::Error> &error) {
        if (error)
            call->fail(*error);
        else
            call->ok();
    });
}

constexpr Row rows[] = {
    {"message", "MAP SECTOR VERB [ARG]", 3, any_number,
     "queue_if_no_path, fail_if_no_path, {disable,enable,switch}_group N, {fail,reinstate}_path PATH", true,
     send_message},
};

} // namespace

const Family message{rows};

} // namespace command
