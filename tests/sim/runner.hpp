// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "action.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim {

struct Failure {
    std::uint64_t seed = 0;
    std::string text;
};

/// The actions that a seed means.
std::vector<Action> actions_of(std::uint64_t seed);

/// Runs the seeds from `first` on, in a process of its own, since a failed assertion of the core ends it.
std::optional<Failure> run_seeds(std::uint64_t first, std::uint64_t count);
/// One run of these actions on what the seed sets up.
std::optional<Failure> run_actions(std::uint64_t seed, const std::vector<Action> &actions);

/// The fewest actions found that still fail (delta debugging), however.
std::vector<Action> shrink(std::uint64_t seed, std::vector<Action> actions);

} // namespace sim
