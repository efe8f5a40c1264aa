// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "daemon/map_plan.hpp"
#include "health/path_keeper.hpp"
#include "multipath/device_set.hpp"

#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace io {
class Worker;
}

namespace nbdmpathd {

/// The paths of one map that are open: made when a table needs them, closed when none does any more. On the
/// map's worker.
class PathSet final : public multipath::DeviceSet {
public:
    /// `plan`: of the map, whose name may change. It outlives this.
    PathSet(io::Worker &worker, const MapPlan &plan, health::PathKeeper &keeper);
    /// After close_all() has ended.
    ~PathSet();

    /// As a table finds it. One that could be opened and is not is nobody's device.
    multipath::PathDevice find(std::string_view name) override;
    /// Opens those that are not open yet; each is in the book.
    void open(std::span<const std::string> names);
    /// Whether each of them has answered or failed to.
    [[nodiscard]] bool settled(std::span<const std::string> names) const;
    /// nullptr: it is not open.
    [[nodiscard]] const backend::FaultBackend *find_backend(std::string_view name) const noexcept;
    /// Its SCSI side; nullptr: it has none, or is not open.
    [[nodiscard]] block::ScsiPort *scsi(std::string_view name) const noexcept;
    /// Throws base::Error(EINVAL), with the nearest name there is, when it is not open.
    [[nodiscard]] backend::FaultBackend &require(std::string_view name) const;
    [[nodiscard]] std::vector<const backend::Backend *> backends(std::span<const std::string> names) const;

    /// Closes the open paths that `needed` says no to, in the background.
    template <typename Needed>
    void close_unless(Needed needed) {
        for (auto at = open_.begin(); at != open_.end();) {
            const auto next = std::next(at);
            if (!needed(at->name, *at->backend))
                close(at);
            at = next;
        }
    }
    /// Closes every path; `closed` is called, not inside this, when none is left. Nothing is opened any more.
    void close_all(base::Delegate<> closed) noexcept;

private:
    struct OwnPath {
        PathSet &set;
        std::string name;
        std::unique_ptr<backend::FaultBackend> backend;
        bool is_closed = false;

        void closed() noexcept { set.path_closed(*this); }
    };
    using Position = std::list<OwnPath>::iterator;

    [[nodiscard]] const OwnPath *find_open(std::string_view name) const noexcept;
    void close(Position path) noexcept;
    void path_closed(OwnPath &path) noexcept;
    void bury() noexcept;

    io::Worker &worker_;
    const MapPlan &plan_;
    health::PathKeeper &keeper_;
    std::list<OwnPath> open_; ///< a list: a closing path is called back at its place
    std::list<OwnPath> closing_;
    base::Delegate<> closed_;
    base::Task burial_;
};

} // namespace nbdmpathd
