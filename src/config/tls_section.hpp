// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"
#include "config/section.hpp"

namespace config {

/// Reads `tls:`.
void read_tls(const Node &node, const Reading &reading, TlsFiles &tls);

/// Reports who wants TLS where there is none. After listeners and maps were read.
void check_tls(const Reading &reading, const Config &config);

} // namespace config
