// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/reservation.hpp"

#include <span>
#include <string>

namespace command {

/// What `persist` is asked to do to one map.
struct PersistOrder {
    std::string map;
    bool changes = false; ///< `out`, else `in`
    block::ReserveOutOrder out{};
    block::ReserveIn in = block::ReserveIn::keys;
    std::uint16_t length = 8192; ///< of the answer to `in`
    bool hexadecimal = false;    ///< the answer as it came
};

/// The arguments of mpathpersist(8). Throws base::Error(EINVAL).
[[nodiscard]] PersistOrder parse_persist(std::span<const std::string> arguments);

} // namespace command
