// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/section.hpp"

namespace config {

/// Keys of later steps: known and type-checked already, and refused with `not supported yet` where their
/// value would be ignored. A key that the section has been asked for before (because a plug-in knows it by
/// now) is left alone.
void refuse_later_keys(Section &section, std::string_view section_name, const Reading &reading);

} // namespace config
