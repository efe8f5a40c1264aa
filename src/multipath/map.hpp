// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/object_pool.hpp"
#include "base/scheduler.hpp"
#include "block/completion_queue.hpp"
#include "block/device.hpp"
#include "multipath/dirty_paths.hpp"
#include "multipath/event.hpp"
#include "multipath/table.hpp"

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace multipath {

struct MapOptions {
    /// Every server has a volatile cache of its own (design D4): a flush goes to all that were written to.
    bool independent_caches = false;
    /// 0: wait for ever (reference R33).
    std::chrono::milliseconds no_path_timeout{0};
};

/// One multipath device: sends each request to a path of its live table, again to another when the path fails, holds
/// it while there is none (semantics reference 1 and 2; the numbers in map.cpp are its sections). One worker; no I/O, no
/// clock and no log of its own. Control calls throw base::Error and then have changed nothing.
class Map final : public block::Device, private block::Layer {
public:
    /// `observer` outlives the map. The map is usable once a table is loaded.
    Map(base::Scheduler &scheduler, std::string name, MapOptions options, Observer &observer);
    /// Nothing is in flight or held: shut_down() and the last completion came before.
    ~Map();

    /// Makes the first table live.
    void load(std::unique_ptr<Table> table);
    /// What clients see; set once the paths are known, before the first request.
    void set_geometry(const block::Geometry &geometry) noexcept { geometry_ = geometry; }

    // The data path.
    void submit(block::Request &request) noexcept override;
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    /// The epoch a new client starts with: its FLUSH and FUA fail when something it wrote may have been lost since.
    [[nodiscard]] std::uint64_t loss_epoch() const noexcept { return dirty_.loss_epoch(); }
    /// Ends the held requests of one requester with ESHUTDOWN: its client is gone (design D5).
    void drop_held(const block::Layer &origin) noexcept;

    // Path state, told by who watches the devices. Names no path of the table: nothing happens.
    /// The device answers again: its entries come back, but for those that a fail_path message holds down.
    void path_answers(const block::Device &device) noexcept;
    /// The device is lost: its active entries fail.
    void path_lost(const block::Device &device) noexcept;
    /// Whether an entry of the device is failed and may come back by itself.
    [[nodiscard]] bool wants_back(const block::Device &device) const noexcept;

    // What an operator asks (copies; never waits).
    [[nodiscard]] const std::string &name() const noexcept { return name_; }
    [[nodiscard]] std::string info_text() const;  ///< INFO, reference 2.19, with its trailing blank
    [[nodiscard]] std::string table_text() const; ///< TABLE, reference 2.20
    [[nodiscard]] std::vector<std::string> dependencies() const; ///< path names, each once
    [[nodiscard]] std::uint64_t event_number() const noexcept { return event_number_; }
    [[nodiscard]] std::size_t held() const noexcept;
    /// Age of the oldest held request; zero when none is.
    [[nodiscard]] base::Duration held_oldest() const noexcept;
    [[nodiscard]] const MapOptions &options() const noexcept { return options_; }

    /// A dm message: verb and arguments (reference 2.17). Throws base::Error.
    void message(std::span<const std::string> words);

    /// Ends everything held with ESHUTDOWN, now and from now on; what is in flight goes on to its end.
    void shut_down() noexcept;

private:
    friend class Table;
    // … the rest is the core's own business
    void completed(block::Request &request, block::Status status) noexcept override;

    base::Scheduler &scheduler_;
    std::string name_;
    MapOptions options_;
    Observer &observer_;
    block::Geometry geometry_;
    std::unique_ptr<Table> live_;
    DirtyPaths dirty_;
    std::uint64_t event_number_ = 0;
};

} // namespace multipath
