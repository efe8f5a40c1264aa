// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/log.hpp"

#include <optional>
#include <string>

namespace nbdmpathd {

/// What the command line asks for.
struct Options {
    enum class Action { serve, check, print_version, print_help };

    Action action = Action::serve;
    std::string config = "/etc/nbdmpath/nbdmpathd.yaml";
    bool demo = false;
    std::optional<base::log::Level> log_level; ///< stronger than the configuration's
};

/// Throws base::Error(EINVAL) for wrong usage.
Options parse_options(int count, char **words);

/// The text of --help.
std::string usage();

} // namespace nbdmpathd
