// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/environment.hpp"
#include "config/section.hpp"

namespace config {

/// Reads `multipaths`. Both forms of a map end as one table text, which the environment then checks. Adds
/// warnings to the configuration, whose paths are read already.
void read_maps(const Node &node, const Environment &environment, const Reading &reading, Config &config);

} // namespace config
