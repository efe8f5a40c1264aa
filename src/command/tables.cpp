// SPDX-License-Identifier: BSD-3-Clause
// The tables of a map and its gate (semantics reference 2.14): load, clear, suspend, resume.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "command/maps.hpp"
#include "command/options.hpp"
#include "command/snapshots.hpp"
#include "command/waiting.hpp"

namespace command {

namespace {

/// The one map that a command names beside its options.
const std::string &only_map(const ParsedArguments &arguments, const Call &call) {
    if (arguments.words().size() != 1)
        throw base::Error(EINVAL, "usage: {}", get_row(call.name()).usage());
    return arguments.words().front();
}

void load(const CallPointer &call, Maps &maps) {
    const std::span<const std::string> arguments = call->arguments();
    answer_when_ended(
        call, maps, arguments[0],
        [table = base::join_words(arguments.subspan(1))](MapAccess &map, MapAccess::Finish finish) {
            return map.load(table, std::move(finish));
        });
}

void clear(const CallPointer &call, Maps &maps) {
    require_map(maps, call->arguments()[0]);
    maps.visit(
        call->arguments()[0], [](MapAccess &map) { map.clear(); },
        [call](const std::optional<base::Error> &error) {
            if (error)
                call->fail(*error);
            else
                call->ok();
        });
}

void suspend(const CallPointer &call, Maps &maps) {
    // There is no file system here to lock: the kernel's users may say so.
    const ParsedArguments arguments(call->arguments(), {{"--noflush"}, {"--nolockfs"}});
    answer_when_ended(call, maps, only_map(arguments, *call),
                      [noflush = arguments.has("--noflush")](MapAccess &map, MapAccess::Finish finish) {
                          return map.suspend(noflush, std::move(finish));
                      });
}

void resume(const CallPointer &call, Maps &maps) {
    const ParsedArguments arguments(call->arguments(), {{"--noflush"}, {"--nolockfs"}});
    answer_when_ended(call, maps, only_map(arguments, *call),
                      [noflush = arguments.has("--noflush")](MapAccess &map, MapAccess::Finish finish) {
                          return map.resume(noflush, std::move(finish));
                      });
}

constexpr Row rows[] = {
    {"load", "MAP TABLE...", 1, any_number, "stages an inactive table; resume makes it live", true, load},
    {"clear", "MAP", 1, 1, "drops the inactive table", true, clear},
    {"suspend", "[--noflush] MAP", 1, 3, "replies when nothing is in flight; new requests wait", true,
     suspend},
    {"resume", "[--noflush] MAP", 1, 3, "makes an inactive table live; what waits goes on", true, resume},
};

} // namespace

const Family tables{rows};

} // namespace command
