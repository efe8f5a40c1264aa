// SPDX-License-Identifier: BSD-3-Clause
// What goes past the requests of clients to the paths: ioctl, probe.
#include "command/family_list.hpp"

#include "command/maps.hpp"
#include "command/waiting.hpp"

namespace command {

namespace {

void pass_through(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    answer_when_ended(call, maps, arguments[0],
                      [request = arguments[1]](MapAccess &map, MapAccess::Finish finish) {
                          return map.pass_through(request, std::move(finish));
                      });
}

void probe(const CallPointer &call, Maps &maps) {
    answer_when_ended(call, maps, call->arguments()[0],
                      [](MapAccess &map, MapAccess::Finish finish) { return map.probe(std::move(finish)); });
}

constexpr Row rows[] = {
    {"ioctl", "MAP REQUEST...", 2, any_number, "asks the current path: blkgetsize64, blksszget, blkroget",
     false, pass_through},
    {"probe", "MAP", 1, 1, "reads one block on every active path of the current group", true, probe},
};

} // namespace

const Family pass{rows};

} // namespace command
