// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/environment.hpp"
#include "config/section.hpp"
#include "config/table_text.hpp"

namespace config {

/// Reads `priority_groups` and appends their number, the initial group and the groups to the table.
void append_groups(const Node &groups, std::size_t initial_group, const Environment &environment,
                   const PathNames &paths, const Reading &reading, TableText &table);

} // namespace config
