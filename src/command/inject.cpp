// SPDX-License-Identifier: BSD-3-Clause
// Faults on demand: inject. What a rule may say is the path's business (backend/fault_rule.hpp).
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "command/maps.hpp"
#include "command/snapshots.hpp"

#include <fmt/format.h>
#include <memory>

namespace command {

namespace {

void inject_fault(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    require_map(maps, arguments[0]);
    const std::string rule = fmt::format("{}", fmt::join(arguments.subspan(2), " "));
    if (!rule.empty())
        call->log_end();
    // Shared between the step, which fills it on the map's worker, and its end on the control loop.
    const auto lines = std::make_shared<std::vector<std::string>>();
    auto step = [path = arguments[1], rule, lines](MapAccess &map) {
        if (rule.empty())
            *lines = map.injected_rules(path);
        else if (rule == "off")
            map.remove_injected(path);
        else
            map.inject(path, rule);
    };
    maps.visit(arguments[0], std::move(step), [call, lines](const std::optional<base::Error> &error) {
        if (error)
            return call->fail(*error);
        for (const std::string &line : *lines)
            call->line(line);
        call->ok();
    });
}

constexpr Row rows[] = {
    {"inject", "MAP PATH [SPEC|off]", 2, any_number,
     "faults of a path: {error=E, delay=T, hang, drop} {op, range, after, every, count, probability}=...",
     false, inject_fault},
};

} // namespace

const Family inject{rows};

} // namespace command
