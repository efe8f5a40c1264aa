// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"
#include "config/section.hpp"

namespace config {

/// The key `reservation_key` of a map: 0x and hexadecimal digits, with `:aptpl` behind it if registrations are
/// to outlive a loss of power, as multipath.conf(5) has it.
void read_reservation_key(Section &section, const Reading &reading, Map &map);

} // namespace config
