// SPDX-License-Identifier: BSD-3-Clause
// Instead of iscsi_discovery.cpp where libiscsi is missing.
#include "backend/iscsi_discovery.hpp"

#include "base/error.hpp"

namespace backend {

void check_portal_uri(std::string_view) {
    throw base::Error(ENOTSUP, "this server was built without libiscsi");
}

Discovered discover_iscsi(std::span<const std::string>, const std::string &,
                          std::chrono::steady_clock::time_point, const std::atomic<bool> &) {
    return {};
}

} // namespace backend
