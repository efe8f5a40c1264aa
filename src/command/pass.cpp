// SPDX-License-Identifier: BSD-3-Clause
// What goes past the requests of clients to the paths: ioctl, inquiry, luns, turs, probe.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "block/scsi_order.hpp"
#include "command/maps.hpp"
#include "command/waiting.hpp"

namespace command {

namespace {

using UnitQuestion = MapAccess::UnitQuestion;

void pass_order(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    const block::ScsiOrder order = block::parse_scsi_order(arguments.subspan(2));
    if (!block::only_asks(order))
        call->log_end();
    answer_when_ended(call, maps, arguments[0], [order](MapAccess &map, MapAccess::Finish finish) {
        return map.pass_order(order, std::move(finish));
    });
}

void pass_through(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    if (arguments[1] == "sg_io") {
        pass_order(call, maps);
        return;
    }
    answer_when_ended(call, maps, arguments[0],
                      [request = arguments[1]](MapAccess &map, MapAccess::Finish finish) {
                          return map.pass_through(request, std::move(finish));
                      });
}

template <UnitQuestion question>
void ask_units(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    const std::string path = arguments.size() > 1 ? arguments[1] : std::string();
    answer_when_ended(call, maps, arguments[0], [path](MapAccess &map, MapAccess::Finish finish) {
        return map.ask_units(question, path, std::move(finish));
    });
}

void probe(const CallPointer &call, Maps &maps) {
    answer_when_ended(call, maps, call->arguments()[0],
                      [](MapAccess &map, MapAccess::Finish finish) { return map.probe(std::move(finish)); });
}

constexpr Row rows[] = {
    {"ioctl", "MAP REQUEST...", 2, any_number,
     "asks the current path: blkgetsize64, blksszget, blkroget, sg_io {in N|out HEX|none} CDB-HEX", false,
     pass_through},
    {"inquiry", "MAP [PATH]", 1, 2, "what a SCSI unit says it is, through one path", false,
     ask_units<UnitQuestion::inquiry>},
    {"luns", "MAP [PATH]", 1, 2, "the units that a SCSI target has, through one path", false,
     ask_units<UnitQuestion::luns>},
    {"turs", "MAP", 1, 1, "asks every SCSI path whether its unit is ready", false,
     ask_units<UnitQuestion::ready>},
    {"probe", "MAP", 1, 1, "reads one block on every active path of the current group", true, probe},
};

} // namespace

const Family pass{rows};

} // namespace command
