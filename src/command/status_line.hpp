// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace command {

struct MapSnapshot;

/// What `status MAP` prints, and `wait` after its event.
[[nodiscard]] std::string status_line(const MapSnapshot &map);

} // namespace command
