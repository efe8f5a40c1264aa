// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "base/scheduler.hpp"
#include "health/disk.hpp"
#include "health/probe.hpp"
#include "health/registration.hpp"
#include "multipath/map.hpp"

#include <memory>
#include <string>
#include <vector>

namespace health {

/// Why a path does not carry I/O, as `show paths` words it.
enum class PathState {
    connecting,
    verifying,
    unreadable,
    registering,
    unregistered, ///< the map's reservation key cannot be registered there
    active,
    disconnected,
    mismatch
};

/// Hears of what the keeper decides. On the worker, in a backend's call: may call the map and the keeper, not
/// a backend.
class KeeperObserver {
public:
    /// A path that was added has answered or failed to, for the first time.
    virtual void path_settled() noexcept = 0;
    /// A path of the live table answers, and the disk has not been seen yet: the map's geometry can be set
    /// now.
    virtual void disk_seen() noexcept = 0;
    /// A path that worked does not, or the other way: "up", "down", "mismatch".
    virtual void path_checked(std::string_view path, std::string_view state) noexcept = 0;
    /// A line for the log, without the map's name.
    virtual void path_notice(std::string_view text, bool bad) noexcept = 0;

protected:
    ~KeeperObserver() = default;
};

/// Stands between the backends of one map and the map: fails a path whose connection is lost, checks that
/// what comes back is the same disk (design D6: size, flags, fingerprint and what its server says it is),
/// registers the map's reservation key there if it has one, probes it by one read (a SCSI unit is first asked
/// whether it is ready), and only then reinstates it. A path that failed while its backend stayed up is
/// probed every second until it reads again. Where a hardware handler activates paths, one that waits for
/// that counts as working. On the map's worker.
class PathKeeper final : public backend::Observer {
public:
    PathKeeper(base::Scheduler &scheduler, multipath::Map &map, Expected expected, KeeperObserver &observer);
    /// After every backend has closed.
    ~PathKeeper();

    /// Looks after a path from now on, and opens it.
    void add(std::string name, backend::Backend &backend);
    /// The backend has closed.
    void remove(const backend::Backend &backend) noexcept;
    /// Nothing is probed or reinstated any more.
    void stop() noexcept;
    /// The map failed a path: looks after it in a second.
    void path_failed() noexcept;

    [[nodiscard]] PathState state(const backend::Backend &backend) const noexcept;
    /// Whether the path has answered or failed to, at least once.
    [[nodiscard]] bool settled(const backend::Backend &backend) const noexcept;
    /// The path as a table finds it: whether it was reached, and is the map's disk.
    [[nodiscard]] multipath::PathDevice judge(backend::Backend &backend) const;

    [[nodiscard]] const Expected &expected() const noexcept { return expected_; }
    /// What the owner states has changed: with the next table.
    void expect(const Expected &expected) { expected_ = expected; }
    using Backends = std::vector<const backend::Backend *>;
    /// The fingerprint of the disk of a table with these paths. If none of them is the map's disk of now, it
    /// is another one, which the first of them tells; but not when the disk is `fixed`.
    [[nodiscard]] Fingerprint fingerprint_of(const Backends &paths, bool fixed) const;
    /// Those of the paths that were reached and are this disk, but for their geometry.
    [[nodiscard]] Backends alike(const Backends &paths, const Fingerprint &fingerprint) const;
    /// Why a path that was reached is another disk than this; empty when it is not.
    [[nodiscard]] std::string difference(const backend::Backend &backend, const block::Geometry &disk,
                                         const Expected &expected) const;
    /// Somebody knows better than what was learned: a path that was taken for another disk is this one.
    void accept(std::string_view path) noexcept;
    /// Whether the map's geometry was set from a path that answered; until then paths tell by disk_seen().
    void set_disk_seen(bool seen) noexcept { disk_seen_ = seen; }
    /// The map has another table, or is another disk: bars who is wrong for it, and says so.
    void check_all() noexcept;

    /// The map's reservation key. Whoever changes it registers the paths that are active.
    [[nodiscard]] Registrar &registrar() noexcept { return registrar_; }
    /// The path waits for its registration.
    [[nodiscard]] bool registers(const backend::Backend &backend) const noexcept;
    /// The path has been registered with the key in force.
    void take_as_registered(const backend::Backend &backend) noexcept;
    /// The path may be registered with another key: not used until that is put right.
    void register_again(const backend::Backend &backend) noexcept;

private:
    struct Kept;

    void path_up(backend::Backend &backend) noexcept override;
    void verify(Kept &kept) noexcept;
    void verified(Kept &kept, block::Status status) noexcept;
    void reached(Kept &kept) noexcept;
    void path_down(backend::Backend &backend, std::string_view why) noexcept override;
    void path_fenced(backend::Backend &backend) noexcept override { map_.path_fenced(backend); }

    [[nodiscard]] Kept &find(const backend::Backend &backend) const noexcept;
    void settle(Kept &kept) noexcept;
    [[nodiscard]] bool is_in_use(const Kept &kept) const noexcept;
    void probe(Kept &kept) noexcept;
    void probed(Kept &kept, Probe::Answer answer) noexcept;
    [[nodiscard]] bool can_be_activated(const Kept &kept) const noexcept;
    void look_again() noexcept;
    void look_again_soon();
    /// Whether the path is this disk and can be used; bars it from the map when not.
    bool check(Kept &kept) noexcept;
    [[nodiscard]] bool must_register(const Kept &kept) const noexcept;
    void register_path(Kept &kept) noexcept;
    void registered(Kept &kept) noexcept;
    void tell(Kept &kept, std::string_view state) noexcept;
    void complain(Kept &kept, std::string &told, std::string_view why) noexcept;
    void works(Kept &kept, std::string_view how) noexcept;
    [[nodiscard]] std::string difference(const Kept &kept) const;

    multipath::Map &map_;
    Expected expected_;
    KeeperObserver &observer_;
    base::Scheduler &scheduler_;
    Registrar registrar_;
    std::vector<std::unique_ptr<Kept>> paths_;
    base::Timer recheck_;
    bool disk_seen_ = false;
    bool stopped_ = false;
};

} // namespace health
