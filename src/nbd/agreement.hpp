// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/protocol.hpp"

namespace nbd {

/// What client and server agreed upon for the transmission phase.
struct Agreement {
    wire::Dialect dialect = wire::Dialect::simple;
    bool block_sizes = false; ///< the client asked for them and so is bound by them
    bool allocation = false;  ///< base:allocation was selected, for this export
};

} // namespace nbd
