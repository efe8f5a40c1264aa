// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/environment.hpp"
#include "daemon/map_plan.hpp"
#include "nbd/tls_credentials.hpp"

#include <vector>

namespace nbdmpathd {

/// What the configuration's checks need to know of the plug-ins that were built in.
config::Environment environment();

/// What every map of the configuration has in common, and one that is created at run time begins with.
MapPlan plan_any_map(const config::Config &configuration);

/// Turns a checked configuration into what the maps are made from. Throws config::Errors for what only shows
/// when the paths of a map are looked at together (design D4). Looks at the file system, connects to nothing.
std::vector<MapPlan> plan_maps(const config::Config &configuration);

/// Reads the files of `tls:`; null when there is none. Throws config::Errors when they cannot be used.
std::shared_ptr<const nbd::TlsCredentials> load_credentials(const config::TlsFiles &files);

} // namespace nbdmpathd
