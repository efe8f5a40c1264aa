// SPDX-License-Identifier: BSD-3-Clause
// What there is to make paths of: discover.
#include "command/family_list.hpp"

#include "command/maps.hpp"
#include "command/waiting.hpp"

namespace command {

namespace {

void look(const CallPointer &call, Maps &maps) {
    const std::vector<std::string> uris(call->arguments().begin(), call->arguments().end());
    call->keep(maps.discover(uris, answer_with_outcome(call)));
}

constexpr Row rows[] = {
    {"discover", "URI...", 1, any_number,
     "proposes maps of the units behind iscsi://[USER%SECRET@]HOST[:PORT]", false, look},
};

} // namespace

const Family discover{rows};

} // namespace command
