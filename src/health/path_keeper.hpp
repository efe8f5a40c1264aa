// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "base/scheduler.hpp"
#include "multipath/map.hpp"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace health {

/// Why a path does not carry I/O, as `show paths` words it.
enum class PathState { connecting, active, disconnected, mismatch };

/// What the map's owner states about the disk; what is not stated comes from the first path that answers.
struct Expected {
    std::optional<std::uint64_t> size; ///< bytes; without it every path has the size of the first one
    bool read_only = false;
    bool reinstate = true; ///< a path that answers again returns by itself
};

/// Hears of what the keeper decides. On the worker; may call the map, not the keeper.
class KeeperObserver {
public:
    /// Every path has answered or failed to, once: the table can be loaded now.
    virtual void paths_settled() noexcept = 0;
    /// The disk is known for the first time, or differs from before.
    virtual void geometry_known(const block::Geometry &geometry) noexcept = 0;
    /// A line for the log, without the map's name.
    virtual void path_notice(std::string_view text, bool bad) noexcept = 0;

protected:
    ~KeeperObserver() = default;
};

/// Stands between the backends of one map and the map: fails a path whose connection is lost, checks that
/// what comes back is the same disk (design D6), probes it by one read, and only then reinstates it. A path
/// that failed while its backend stayed up is probed every second until it reads again. On the map's worker.
class PathKeeper final : public backend::Observer, private block::Layer {
public:
    PathKeeper(base::Scheduler &scheduler, multipath::Map &map, Expected expected, KeeperObserver &observer);
    /// After every backend has closed.
    ~PathKeeper();

    /// Before start(); in the order of the table, which decides whose size counts.
    void add(std::string name, backend::Backend &backend);
    /// Opens every backend.
    void start();
    /// Nothing is probed or reinstated any more.
    void stop() noexcept;
    /// The map failed a path: looks after it in a second.
    void path_failed() noexcept;

    /// Whether the path was reached and is the right disk.
    [[nodiscard]] bool usable(const block::Device &device) const noexcept;
    [[nodiscard]] bool settled() const noexcept { return settled_; }

private:
    struct Kept;

    void path_up(backend::Backend &backend) noexcept override;
    void path_down(backend::Backend &backend, std::string_view why) noexcept override;
    void completed(block::Request &request, block::Status status) noexcept override;

    Kept &find(const backend::Backend &backend) noexcept;
    void probe(Kept &kept) noexcept;
    void probe_failed_paths() noexcept;
    void settle_if_all_answered() noexcept;
    /// Whether the path is this disk; bars it from the map when it is not.
    bool check(Kept &kept) noexcept;
    void complain(Kept &kept, std::string &told, std::string_view why) noexcept;
    void works(Kept &kept) noexcept;
    void learn_geometry() noexcept;
    [[nodiscard]] std::string difference(const block::Geometry &geometry) const;

    multipath::Map &map_;
    Expected expected_;
    KeeperObserver &observer_;
    std::vector<std::unique_ptr<Kept>> paths_;
    base::Timer recheck_;
    bool settled_ = false;
    bool geometry_known_ = false;
    bool stopped_ = false;
};

} // namespace health
