// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/fault.hpp"
#include "health/disk.hpp"
#include "health/registration.hpp"
#include "multipath/map.hpp"
#include "nbd/export_sessions.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nbdmpathd {

/// How a path is made.
struct PathPlan {
    const backend::Type *type;
    backend::Settings settings;
    std::vector<backend::FaultSpec> faults{}; ///< injected from the start
};

/// Every path of the configuration by its name. Shared by all maps, on all workers: never changed once made.
using PathBook = std::map<std::string, PathPlan, std::less<>>;

/// Everything a map is made from: plain values, decided by the daemon, made into objects on the home worker.
struct MapPlan {
    std::string name;
    std::string description{};
    std::string table{}; ///< dm text
    multipath::MapOptions options{};
    bool cache_stated = false; ///< else whether caches are independent follows from the paths (design D4)
    health::Expected expected{};
    health::Registrar::Key reservation_key{};
    bool fences = true; ///< paths that can are cut off before their writes in doubt go on (design D3)
    std::chrono::milliseconds fence_timeout{10'000};
    std::shared_ptr<const PathBook> paths; ///< what tables may name
    std::size_t buffer_memory = 0;         ///< of all maps together: they share it
    nbd::SessionLimits limits{};
    nbd::ExportPolicy policy{};
};

} // namespace nbdmpathd
