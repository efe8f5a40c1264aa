// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "random.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

enum class Kind : unsigned char {
    io,
    leave,
    answer,
    hang,
    release,
    die,
    revive,
    bar,
    fail_path,
    reinstate_path,
    group,
    queueing,
    nonsense,
    suspend,
    resume,
    withdraw,
    load,
    clear,
    probe,
    pass,
    activation,
    refuse,
    rename,
    advance,
};

/// One thing that happens to the map, complete in itself: it can be left out of a run, or done at any other
/// time. What the numbers mean stands in the table of action.cpp.
struct Action {
    Kind kind = Kind::io;
    std::array<unsigned, 5> numbers{};
    /// How many tasks of the scheduler run before the next action; without: until none is left.
    std::optional<unsigned> tasks{};
};

Action random_action(Random &random);
/// "suspend:1/3": name, numbers, and behind the stroke the tasks.
std::string text_of(const Action &action);
std::string text_of(const std::vector<Action> &actions);
/// The reverse. Throws base::Error.
std::vector<Action> parse_actions(std::string_view text);

} // namespace sim
