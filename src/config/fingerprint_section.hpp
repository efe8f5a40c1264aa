// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"
#include "config/section.hpp"

namespace config {

/// `fingerprint`: a range, or a list of them. Reports what is wrong.
std::vector<FingerprintRange> read_fingerprint(Section &section, const Reading &reading);

} // namespace config
