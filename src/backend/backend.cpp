// SPDX-License-Identifier: BSD-3-Clause
#include "backend/backend.hpp"

#include "backend/backend_list.hpp"

#include <algorithm>

namespace backend {

std::span<const Type *const> all_types() noexcept { return registered; }

const Type *find_type(std::string_view uri) noexcept {
    const std::string_view scheme = uri.substr(0, uri.find(':'));
    for (const Type *type : registered)
        if (std::ranges::find(type->schemes, scheme) != type->schemes.end())
            return type;
    return nullptr;
}

} // namespace backend
