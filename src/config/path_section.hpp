// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/environment.hpp"
#include "config/section.hpp"

namespace config {

/// Reads `paths`; `defaults`: texts that the configuration states for all paths that know such a key. A path
/// with a problem is kept by its name, so that tables which name it are not wrong too.
std::vector<Path> read_paths(const Node &node, const Environment &environment,
                             const base::KeyValues &defaults, const Reading &reading);

/// Reports what is no name of a path or a map; `kind` is "path" or "map".
void check_name(const Node &name, std::string_view kind, const Reading &reading);

} // namespace config
