// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

namespace config {

/// The name of a SCSI unit as its paths tell it: `naa.`, `eui.` and lower-case hexadecimal, or `t10.` and a
/// text with one '_' for blanks. Also reads it with a leading digit 3, 2 or 1 in place of the word, as
/// multipathd writes it. Throws base::Error(EINVAL).
std::string parse_wwid(std::string_view text);

} // namespace config
