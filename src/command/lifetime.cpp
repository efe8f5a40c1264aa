// SPDX-License-Identifier: BSD-3-Clause
// Maps that come and go: create, remove, rename.
#include "command/family_list.hpp"

#include "base/error.hpp"
#include "base/keys.hpp"
#include "base/text.hpp"
#include "command/maps.hpp"
#include "command/options.hpp"
#include "command/waiting.hpp"

#include <algorithm>

namespace command {

namespace {

/// An option's value as one of these words; the index of it.
std::optional<std::size_t> choice(const ParsedArguments &arguments, std::string_view option,
                                  std::initializer_list<std::string_view> words) {
    const std::optional<std::string> value = arguments.value(option);
    if (!value)
        return std::nullopt;
    const auto found = std::ranges::find(words, std::string_view(*value));
    if (found == words.end())
        throw base::Error(EINVAL, "{} is one of {}", option, fmt::join(words, ", "));
    return static_cast<std::size_t>(found - words.begin());
}

NewMap new_map(const Call &call) {
    const ParsedArguments arguments(
        call.arguments(),
        {{"--size", true}, {"--compat", true}, {"--cache", true}, {"--no-path-timeout", true}});
    if (arguments.words().size() < 2)
        throw base::Error(EINVAL, "usage: {}", get_row(call.name()).usage());
    NewMap map;
    map.name = arguments.words().front();
    map.table = base::join_words(std::span(arguments.words()).subspan(1));
    map.kernel_compat = choice(arguments, "--compat", {"seed", "kernel"}) == std::size_t{1};
    if (const auto cache = choice(arguments, "--cache", {"shared", "independent"}))
        map.independent_caches = *cache == 1;
    if (const auto size = arguments.value("--size"))
        map.size = std::get<std::uint64_t>(base::parse_value(base::KeyKind::size, *size));
    if (map.size && (*map.size == 0 || *map.size % 512 != 0))
        throw base::Error(EINVAL, "--size: {} is not a multiple of 512", *map.size);
    if (const auto timeout = arguments.value("--no-path-timeout"))
        map.no_path_timeout =
            std::get<std::chrono::milliseconds>(base::parse_value(base::KeyKind::duration, *timeout));
    return map;
}

void create(const CallPointer &call, Maps &maps) {
    call->keep(maps.create(new_map(*call), answer_with_outcome(call)));
}

Maps::Done answer(const CallPointer &call) {
    return [call](const std::optional<base::Error> &error) {
        if (error)
            call->fail(*error);
        else
            call->ok();
    };
}

void remove_map(const CallPointer &call, Maps &maps) { maps.remove(call->arguments()[0], answer(call)); }

void rename_map(const CallPointer &call, Maps &maps) {
    maps.rename(call->arguments()[0], call->arguments()[1], answer(call));
}

constexpr Row rows[] = {
    {"create", "MAP [OPTION...] TABLE...", 2, any_number,
     "a new map, live at resume: --size BYTES, --compat C, --cache C, --no-path-timeout T", true, create},
    {"remove", "MAP", 1, 1, "a map away that no client uses", true, remove_map},
    {"rename", "MAP NAME", 2, 2, "another name for a map and its export", true, rename_map},
};

} // namespace

const Family lifetime{rows};

} // namespace command
