// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace nbd {

/// What a client of a listening socket may or must do.
enum class TlsMode : std::uint8_t { off, allow, require };

} // namespace nbd
