// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"
#include "config/environment.hpp"

namespace config {

/// Reads and checks a configuration (nbdmpathd.yaml(5)). Throws Errors with every problem of it. Called by
/// the daemon at start, for --check and for reload; connects to nothing and creates nothing. `file_name` is
/// for messages.
Config parse(std::string_view text, const std::string &file_name, const Environment &environment);

/// The same from a file; one that cannot be read is Errors too.
Config load(const std::string &file_name, const Environment &environment);

/// `FILE:LINE:COL: warning: text`
std::string warning(const Where &where, std::string_view text);

} // namespace config
