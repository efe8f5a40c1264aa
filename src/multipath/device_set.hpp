// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"

#include <string_view>

namespace multipath {

/// A path device as a table finds it by name.
struct PathDevice {
    block::Device *device = nullptr; ///< nullptr: there is none of that name
    bool usable = true;              ///< false: cannot be reached now, its entries are loaded failed
    bool barred = false;             ///< another disk answers there (design D6)
};

/// Where a table looks its path names up. The devices outlive every table made from it.
class DeviceSet {
public:
    virtual PathDevice find(std::string_view name) = 0;

protected:
    ~DeviceSet() = default;
};

} // namespace multipath
