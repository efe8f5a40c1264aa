// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_discovery.hpp"
#include "command/maps.hpp"

namespace nbdmpathd {

/// A configuration of the units that were found, as YAML that `nbdmpathd --check` accepts: a map for each,
/// its paths those that lead to a unit of the same name and serial number, in groups by the state of their
/// ports. Comments say what was found and what is not used, and why. No secret is in it. Nothing to make a
/// map of is ENXIO.
command::Outcome propose(const backend::Discovered &found);

} // namespace nbdmpathd
