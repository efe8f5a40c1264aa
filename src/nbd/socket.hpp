// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace nbd {

/// Options of an accepted connection, before anything is sent on it. Failures do not matter.
void prepare_accepted(int fd) noexcept;
/// Whom a connected socket talks to, for people: "10.0.0.7:41022", "[::1]:41022", "unix:PID",
/// "vsock:3:1027". One word.
std::string peer_text(int fd);

} // namespace nbd
