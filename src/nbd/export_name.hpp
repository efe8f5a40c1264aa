// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

namespace nbd {

/// What may name an export: at most 4096 bytes of valid UTF-8 without NUL. The empty name is one, too.
[[nodiscard]] bool is_export_name(std::string_view name) noexcept;

} // namespace nbd
