// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address_range.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace nbd {

/// Whom an export is for.
struct ExportPolicy {
    enum class Access {
        shared,
        exclusive, ///< one client at a time, over as many connections as it likes
        read_only, ///< nobody may write, whatever the paths can do
    };

    bool listed = true;
    Access access = Access::shared;
    std::size_t max_clients = 0;             ///< connections at a time; 0: no bound
    std::vector<base::AddressRange> allow{}; ///< from where; empty: from everywhere
    bool tls_only = false;
    std::vector<std::string> tls_identities{}; ///< one of a client's must be one of these; empty: anybody
};

} // namespace nbd
