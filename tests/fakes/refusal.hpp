// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"

#include <doctest/doctest.h>

#include <string>

namespace fakes {

/// Why `call` is refused as invalid.
template <typename Call>
std::string refusal_of(const Call &call) {
    try {
        (void)call();
    } catch (const base::Error &error) {
        CHECK(error.code() == EINVAL);
        return error.what();
    }
    return "accepted";
}

} // namespace fakes
