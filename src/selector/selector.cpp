// SPDX-License-Identifier: BSD-3-Clause
#include "selector/selector.hpp"

#include "selector/selector_list.hpp"

namespace selector {

std::span<const Type *const> all_types() noexcept { return registered; }

const Type *find_type(std::string_view name) noexcept {
    for (const Type *type : registered)
        if (type->name == name)
            return type;
    return nullptr;
}

} // namespace selector
