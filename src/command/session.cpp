// SPDX-License-Identifier: BSD-3-Clause
// About the session itself: help, version, quit.
#include "command/family_list.hpp"

#include "build_config.h"

#include <fmt/format.h>

namespace command {

namespace {

void print_row(Call &call, const Row &row) { call.line(fmt::format("{:<29} {}", row.usage(), row.help)); }

void help(const CallPointer &call, Maps &) {
    if (!call->arguments().empty()) {
        print_row(*call, get_row(call->arguments()[0]));
    } else {
        for (const Row *row : all_rows())
            print_row(*call, *row);
    }
    call->ok();
}

void print_version(const CallPointer &call, Maps &) {
    call->line("nbdmpath " NBDMPATH_VERSION);
    call->ok();
}

void quit(const CallPointer &call, Maps &) {
    call->hang_up();
    call->ok();
}

constexpr Row rows[] = {
    {"help", "[COMMAND]", 0, 1, "one line for each command", false, help},
    {"version", "", 0, 0, "the program's version", false, print_version},
    {"quit", "", 0, 0, "closes this session", false, quit},
};

} // namespace

const Family session{rows};

} // namespace command
