// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"

namespace nbdmpathd {

/// Stands for the device of a path that is not open, where only its name matters. Takes no request.
block::Device &no_device() noexcept;

} // namespace nbdmpathd
