// SPDX-License-Identifier: BSD-3-Clause
// SCSI persistent reservations, as mpathpersist(8) does them.
#include "command/family_list.hpp"

#include "command/maps.hpp"
#include "command/persist_order.hpp"
#include "command/waiting.hpp"

namespace command {

namespace {

void persist_map(const CallPointer &call, Maps &maps) {
    const PersistOrder order = parse_persist(call->arguments());
    if (order.changes)
        call->log_end();
    answer_when_ended(call, maps, order.map, [order](MapAccess &map, MapAccess::Finish finish) {
        return map.persist(order, std::move(finish));
    });
}

constexpr Row rows[] = {
    {"persist", "{--in|--out} ACTION [OPTION...] MAP", 1, any_number,
     "SCSI persistent reservations over all paths of a map, with the options of mpathpersist", false,
     persist_map},
};

} // namespace

const Family persist{rows};

} // namespace command
