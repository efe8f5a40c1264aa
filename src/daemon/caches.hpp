// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "daemon/map_plan.hpp"
#include "multipath/table.hpp"

#include <string>
#include <vector>

namespace nbdmpathd {

/// The paths that a table names, each once, in its order.
std::vector<std::string> path_names(const multipath::Table &table);

/// Design D4: whether all these paths see one cache by themselves. Looks at the file system.
bool see_one_cache(const std::vector<std::string> &paths, const PathBook &book);

/// What is wrong with the table when every server has a cache of its own, and what to do; empty: nothing.
/// Several servers in one group would take turns in writing.
std::string cache_conflict(const multipath::Table &table);

} // namespace nbdmpathd
