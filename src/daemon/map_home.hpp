// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/fault.hpp"
#include "base/buffer_pool.hpp"
#include "command/maps.hpp"
#include "health/path_keeper.hpp"
#include "multipath/device_set.hpp"
#include "multipath/map.hpp"
#include "nbd/export_sessions.hpp"
#include "nbd/exports.hpp"

#include <memory>
#include <string>
#include <vector>

namespace io {
class Worker;
}

namespace nbdmpathd {

/// Everything a map is made from: plain values, decided by the daemon, made into objects on the home worker.
struct MapPlan {
    struct PathPlan {
        const backend::Type *type;
        backend::Settings settings;
        std::vector<backend::FaultSpec> faults; ///< injected from the start
    };
    std::string name;
    std::string description;
    std::string table; ///< dm text
    multipath::MapOptions options;
    health::Expected expected;
    std::vector<PathPlan> paths; ///< in the order of the table, each once
    std::size_t buffer_memory;   ///< this map's share
    nbd::SessionLimits limits;
    nbd::ExportPolicy policy;
};

/// Hears of a map, on the map's worker: whoever implements it hops to the control loop by itself.
class MapHomeObserver {
public:
    virtual void map_event(const std::string &map, const multipath::Event &event) = 0;
    /// What clients are told has changed; `settled`: every path has answered or failed to.
    virtual void map_export(const std::string &map, std::shared_ptr<const nbd::ExportInfo> info,
                            bool settled) = 0;
    virtual void map_closed(const std::string &map) = 0;

protected:
    ~MapHomeObserver() = default;
};

/// One map with its paths and its clients on its home worker: the only place where backend, keeper, core and
/// sessions meet. Made, used and destroyed on that worker.
class MapHome final : public command::MapAccess,
                      private multipath::Observer,
                      private multipath::DeviceSet,
                      private health::KeeperObserver {
public:
    MapHome(io::Worker &worker, MapPlan plan, MapHomeObserver &observer);
    ~MapHome();

    /// Connects the paths.
    void start();
    /// Answers ESHUTDOWN to what is held and what still comes, lets what is in flight finish, closes the
    /// sessions and the paths. Ends with map_closed(). `grace`: then what is in flight at remote servers is
    /// given up.
    void close(base::Duration grace);

    [[nodiscard]] command::MapSnapshot snapshot() const override;
    [[nodiscard]] std::uint64_t size_sectors() const override;
    void message(std::span<const std::string> words) override;
    void inject(const std::string &path, std::string_view rule) override;
    void remove_injected(const std::string &path) override;
    [[nodiscard]] std::vector<std::string> injected_rules(const std::string &path) override;
    [[nodiscard]] std::vector<command::ClientSnapshot> clients() const override;
    bool kick(std::uint64_t client) override { return sessions_.kick(client); }

private:
    struct OwnPath {
        std::string name;
        std::unique_ptr<backend::FaultBackend> backend;
    };
    /// Throws base::Error(EINVAL) with the nearest name there is.
    backend::FaultBackend &require_path(const std::string &name);

    void event(const multipath::Event &event) noexcept override;
    void warning(std::string_view text) noexcept override;
    multipath::PathDevice find(std::string_view name) override;
    void paths_settled() noexcept override;
    void geometry_known(const block::Geometry &geometry) noexcept override;
    void path_notice(std::string_view text, bool bad) noexcept override;

    void publish();
    void sessions_closed() noexcept;
    void close_paths() noexcept;
    void path_closed() noexcept;
    void tell_when_closed() noexcept;

    MapPlan plan_;
    MapHomeObserver &observer_;
    base::BufferPool buffers_;
    multipath::Map map_;
    health::PathKeeper keeper_;
    std::vector<OwnPath> paths_;
    nbd::ExportSessions sessions_;
    base::Timer grace_; ///< then the paths are closed under what is in flight
    std::size_t paths_open_ = 0;
    bool sessions_open_ = true;
    bool closing_paths_ = false;
    bool loaded_ = false; ///< the table is live: every path has answered or failed to
};

} // namespace nbdmpathd
