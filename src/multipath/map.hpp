// SPDX-License-Identifier: BSD-3-Clause
#pragma once

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

/// One multipath device: sends each request to a path of its live table, again to another when the path
/// fails, holds it while there is none (semantics reference 1 and 2; the numbers in map.cpp are its
/// sections). One worker; no I/O, no clock and no log of its own. Control calls throw base::Error and then
/// have changed nothing.
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
    /// The loss epoch a new client starts with: its FLUSH and FUA fail when something it wrote may have been
    /// lost since.
    [[nodiscard]] std::uint64_t generation() const noexcept override { return dirty_.loss_epoch(); }
    /// Ends the held requests of one requester with ESHUTDOWN: its client is gone (design D5).
    void drop_held(const block::Layer &origin) noexcept;

    // Path state, told by who watches the devices. Names no path of the table: nothing happens.
    /// The device answers again: its entries come back, but for those that a fail_path message holds down.
    void path_answers(const block::Device &device) noexcept;
    /// The device is lost: its active entries fail.
    void path_lost(const block::Device &device) noexcept;
    /// Another disk answers at the device (design D6): its entries fail and stay so until it is unbarred.
    void bar(const block::Device &device, bool barred) noexcept;
    /// Whether an entry of the device is failed and may come back by itself.
    [[nodiscard]] bool wants_back(const block::Device &device) const noexcept;

    // What an operator asks (copies; never waits).
    [[nodiscard]] const std::string &name() const noexcept { return name_; }
    [[nodiscard]] std::string info_text() const;  ///< INFO, reference 2.19, with its trailing blank
    [[nodiscard]] std::string table_text() const; ///< TABLE, reference 2.20
    [[nodiscard]] std::vector<std::string> dependencies() const; ///< path names, each once
    [[nodiscard]] std::uint64_t event_number() const noexcept { return event_number_; }
    [[nodiscard]] std::size_t held() const noexcept { return queue_size_; }
    /// Requests that a path has, the map's own flushes among them.
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_ + dirty_.in_flight(); }
    /// Age of the oldest held request; zero when none is.
    [[nodiscard]] base::Duration held_oldest() const noexcept;
    [[nodiscard]] const MapOptions &options() const noexcept { return options_; }

    /// A dm message: verb and arguments (reference 2.17). Throws base::Error.
    void message(std::span<const std::string> words);

    /// Ends everything held with ESHUTDOWN, now and from now on; what is in flight goes on to its end.
    void shut_down() noexcept;

private:
    enum class Mapped { sent, held, error };

    void completed(block::Request &request, block::Status status) noexcept override;
    Mapped map(block::Request &request, bool was_held) noexcept;
    void send(block::Request &request, Path &path) noexcept;
    void hold(block::Request &request) noexcept;
    void requeue(block::Request &request, block::Status status) noexcept;
    void acknowledge(block::Request &request, const Path &path) noexcept;
    void finish(block::Request &request, block::Status status) noexcept;
    void kick() noexcept { scheduler_.post(worker_); }
    void run_worker() noexcept;
    void release_delayed() noexcept;
    void give_up_waiting() noexcept;

    void fail(Path &path) noexcept;
    void reinstate(Path &path) noexcept;
    void set_queueing(bool on) noexcept;
    void watch_for_no_path() noexcept;
    void tell_group_change(const PriorityGroup *before) noexcept;
    void tell(std::string_view action, std::string details, bool counted = true) noexcept;

    void message_queueing(bool on);
    void message_group(std::string_view verb, const std::string &number);
    void message_path(bool reinstating, const std::string &name);

    base::Scheduler &scheduler_;
    std::string name_;
    MapOptions options_;
    Observer &observer_;
    block::Geometry geometry_;
    std::unique_ptr<Table> live_;

    base::List<block::Request> held_;    ///< `queued_ios` of the reference
    base::List<block::Request> delayed_; ///< after a resource shortage: held until the timer
    std::size_t queue_size_ = 0;         ///< both lists
    std::size_t in_flight_ = 0;
    bool shut_down_ = false;
    block::CompletionQueue finished_;
    mutable DirtyPaths dirty_; ///< generation() makes it notice losses
    base::Task worker_;
    base::Timer delay_;
    base::Timer no_path_timer_;
    bool queueing_timed_out_ = false; ///< queue_if_no_path comes back with the first path
    std::uint64_t event_number_ = 0;
    std::uint64_t path_event_sequence_ = 0;
};

} // namespace multipath
