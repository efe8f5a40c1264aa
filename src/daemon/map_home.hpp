// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/buffer_pool.hpp"
#include "command/maps.hpp"
#include "daemon/map_plan.hpp"
#include "daemon/passing.hpp"
#include "daemon/path_set.hpp"
#include "daemon/reservations.hpp"
#include "health/held_watch.hpp"
#include "health/path_keeper.hpp"
#include "io/worker.hpp"
#include "multipath/map.hpp"
#include "nbd/export_sessions.hpp"
#include "nbd/exports.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nbdmpathd {

/// Hears of a map, on the map's worker: whoever implements it hops to the control loop by itself.
class MapHomeObserver {
public:
    virtual void map_event(const std::string &map, const multipath::Event &event) = 0;
    /// An event too: the map had one name `before` and has another `after`.
    virtual void map_renamed(const std::string &before, const std::string &after,
                             const multipath::Event &event) = 0;
    /// What clients are told has changed; `settled`: every path of the first table has answered or failed to.
    virtual void map_export(std::shared_ptr<const nbd::ExportInfo> info, bool settled) = 0;
    /// The last event: the map is being removed, map_closed() follows.
    virtual void map_leaving(const std::string &map, const multipath::Event &event) = 0;
    virtual void map_closed() = 0;

protected:
    ~MapHomeObserver() = default;
};

/// One map with its paths and its clients on its home worker: the only place where backend, keeper, core and
/// sessions meet. Made, used and destroyed on that worker.
class MapHome final : public command::MapAccess, private multipath::Observer, private health::KeeperObserver {
public:
    MapHome(io::Worker &worker, MapPlan plan, MapHomeObserver &observer);
    ~MapHome();

    /// Connects the paths of the first table, if the plan has one, and makes it live.
    void start();
    /// Answers ESHUTDOWN to what is held and what still comes, lets what is in flight finish, closes the
    /// sessions and the paths. Ends with map_closed(). `grace`: then what is in flight at remote servers is
    /// given up.
    void close(base::Duration grace);
    /// Closes a map that nobody uses. Throws base::Error(EBUSY) when clients are connected.
    void leave(base::Duration grace);
    void rename(const std::string &name);
    /// This map's share of the memory for the data of requests.
    void share_memory(std::size_t bytes) noexcept;

    [[nodiscard]] command::MapSnapshot snapshot() const override;
    [[nodiscard]] std::uint64_t size_sectors() const override;
    void message(std::span<const std::string> words) override;
    void inject(const std::string &path, std::string_view rule) override;
    void remove_injected(const std::string &path) override;
    [[nodiscard]] std::vector<std::string> injected_rules(const std::string &path) override;
    [[nodiscard]] std::vector<command::ClientSnapshot> clients() const override;
    bool kick(std::uint64_t client) override { return sessions_.kick(client); }

    using Activity = std::unique_ptr<command::Activity>;
    using Finish = command::MapAccess::Finish;
    Activity load(std::string_view table, Finish finish) override;
    void clear() override;
    Activity suspend(bool noflush, Finish finish) override;
    Activity resume(bool noflush, Finish finish) override;
    Activity pass_through(std::string_view request, Finish finish) override;
    Activity pass_order(block::ScsiOrder order, Finish finish) override;
    Activity ask_units(UnitQuestion question, std::string path, Finish finish) override;
    Activity persist(const command::PersistOrder &order, Finish finish) override;
    Activity probe(Finish finish) override;

private:
    class Loading;
    class Operation;

    void event(const multipath::Event &event) noexcept override;
    void warning(std::string_view text) noexcept override;
    void request_waits() noexcept override { held_watch_.begin(); }
    void path_settled() noexcept override { worker_.post(advance_loads_); }
    void disk_seen() noexcept override;
    void path_checked(std::string_view path, std::string_view state) noexcept override;
    void path_notice(std::string_view text, bool bad) noexcept override;

    void publish();
    [[nodiscard]] std::vector<multipath::PathStatistics> path_statistics() const;
    void require_started() const;
    void sessions_closed() noexcept;
    void close_paths() noexcept;
    void paths_closed() noexcept;
    void tell_when_closed() noexcept;

    // map_home_loads.cpp
    Activity begin_load(std::string_view text, Finish finish);
    void advance_loads() noexcept;
    std::vector<std::string> stage(const Loading &loading);
    [[nodiscard]] std::vector<std::string> wrong_paths(std::span<const std::string> names,
                                                       const block::Geometry &disk,
                                                       const health::Expected &expected) const;
    void first_table_staged(const command::Outcome &outcome);
    void check_caches(const multipath::Table &table) const;
    [[nodiscard]] std::vector<std::string> with_live_paths(std::vector<std::string> names) const;
    void close_unused_paths() noexcept;

    // map_home_tables.cpp
    Activity pass(std::unique_ptr<Passing> passing);
    Activity refuse_swap(bool noflush, Finish finish);
    void resume_is_over() noexcept;
    void take_over_staged() noexcept;
    [[nodiscard]] bool size_is_fixed() const noexcept;
    void require_same_size(const block::Geometry &geometry) const;
    void require_same_fingerprint(const health::Fingerprint &fingerprint) const;

    io::Worker &worker_;
    MapPlan plan_;
    MapHomeObserver &observer_;
    base::BufferPool buffers_;
    multipath::Map map_;
    health::PathKeeper keeper_;
    health::HeldWatch held_watch_;
    PathSet paths_;
    nbd::ExportSessions sessions_;
    base::Timer grace_; ///< then the paths are closed under what is in flight
    base::Task advance_loads_;

    Activity first_load_;
    base::List<Loading> loads_; ///< that wait for their paths
    base::List<Passing> passings_;
    /// What the inactive table was loaded with.
    struct Staged {
        health::Expected expected;
        health::Disk disk;
        bool too_long; ///< for every path
    };
    std::optional<Staged> staged_;
    health::Expected expected_; ///< of the live table
    bool disk_seen_ = false;
    unsigned resumes_ = 0; ///< that are going on
    std::string why_not_;  ///< there is no live table
    bool sessions_open_ = true;
    bool closing_ = false;
    bool closing_paths_ = false;
    bool paths_closed_ = false;
    bool started_ = false;      ///< the first table is live, or cannot become so
    Reservations reservations_; ///< the last: what it has begun uses the rest
};

} // namespace nbdmpathd
