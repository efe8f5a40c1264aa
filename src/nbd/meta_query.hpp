// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nbd {

/// The only context there is, and the number it has in transmission.
inline constexpr std::string_view allocation_context = "base:allocation";
inline constexpr std::uint32_t allocation_context_id = 1;

/// What LIST_META_CONTEXT and SET_META_CONTEXT ask for. Queries that nobody here knows leave no trace.
struct MetaQuery {
    std::string_view export_name; ///< lies in the option's data
    bool empty = true;            ///< no query at all
    bool allocation = false;      ///< the context by its name
    bool wildcard = false;        ///< every context of its namespace
};

/// Nothing when the option's data is malformed. Pure.
[[nodiscard]] std::optional<MetaQuery> parse_meta_query(std::span<const std::byte> data) noexcept;

} // namespace nbd
