// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"
#include "config/section.hpp"

namespace config {

/// Reads `listen` and `admin`; no address may be in them twice.
void read_listeners(Section &configuration, const Reading &reading, Config &config);

} // namespace config
