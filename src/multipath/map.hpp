// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/completion_queue.hpp"
#include "block/device.hpp"
#include "multipath/activation.hpp"
#include "multipath/carrier.hpp"
#include "multipath/dirty_paths.hpp"
#include "multipath/eio_verifier.hpp"
#include "multipath/event.hpp"
#include "multipath/path_statistics.hpp"
#include "multipath/prober.hpp"
#include "multipath/range_locks.hpp"
#include "multipath/table.hpp"
#include "multipath/ticket.hpp"
#include "multipath/unflushed_log.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multipath {

/// What becomes of a write that a path was given and did not answer (design D3).
enum class AmbiguousWrites : unsigned char {
    retry, ///< it is sent again, as dm-multipath does
    hold,  ///< the same, and newer writes of its range wait for a time
    fail,  ///< an error, and newer writes of its range wait for a time
};

struct MapOptions {
    /// Every server has a volatile cache of its own (design D4): one carries all I/O at a time, and what it
    /// may lose is kept.
    bool independent_caches = false;
    /// Where that is kept, up to `unflushed_limit` bytes; nullptr: nowhere, and every write waits for a
    /// flush. Outlives the map.
    base::BufferPool *buffers = nullptr;
    std::size_t unflushed_limit = std::size_t{64} << 20;
    /// 0: wait for ever (reference R33).
    std::chrono::milliseconds no_path_timeout{0};
    /// An EIO is the path's fault only when another path can do better, or when it reads no more (4.4).
    bool verify_eio = false;
    AmbiguousWrites ambiguous_writes = AmbiguousWrites::hold;
    std::chrono::milliseconds ambiguous_hold{5000}; ///< how long a write may land that nobody answered
    TableRules rules{};                             ///< the compatibility among them
};

/// One multipath device: sends each request to a path of its live table, again to another when the path
/// fails, holds it while there is none (semantics reference 1 and 2; the numbers in the .cpp files are its
/// sections). One worker; no I/O, no clock and no log of its own. Control calls throw base::Error and then
/// have changed nothing.
class Map final : public block::Device,
                  private block::Layer,
                  private handler::Listener,
                  private Activation::Owner,
                  private Carrier::Owner,
                  private Prober::Owner,
                  private EioVerifier::Owner {
public:
    /// `devices` and `observer` outlive the map. The map takes requests once a table is live.
    Map(base::Scheduler &scheduler, std::string name, MapOptions options, DeviceSet &devices,
        Observer &observer);
    /// Nothing is in flight or held: shut_down() and the last completion came before.
    ~Map();

    // Tables and the gate (2.14). A suspend waits for what is in flight; requests that come meanwhile wait
    // for the resume.
    /// Puts a table into the inactive slot, in place of the one that is there (2.18). `geometry`: what
    /// clients see from the swap on; without it that stays as it is. Returns a line for the user, empty in
    /// the good case (R31).
    std::string load(std::string_view text, const std::optional<block::Geometry> &geometry = {});
    /// The inactive table changes nothing of what clients see.
    void keep_geometry() noexcept { inactive_geometry_.reset(); }
    void clear() noexcept { inactive_.reset(); }
    /// `noflush`: what waits for a path goes on waiting; else it fails. Suspends, resumes and the end of one
    /// run one after the other.
    void suspend(Ticket &ticket, bool noflush);
    /// Makes an inactive table live, suspending first (`noflush` is about that) if need be.
    void resume(Ticket &ticket, bool noflush = false);
    /// The first table becomes live at once.
    void start();
    /// Reads a block of every active path of the current group; ENOTCONN when no path is left (R34).
    void probe(Ticket &ticket);
    /// Nobody waits for it any more. A suspend that nobody waits for is undone (R20).
    void withdraw(Ticket &ticket) noexcept;
    [[nodiscard]] bool suspended() const noexcept { return gate_ == Gate::suspended; }
    /// Suspended, and without a flush: its size cannot change then.
    [[nodiscard]] bool suspended_noflush() const noexcept { return suspended() && noflush_; }
    [[nodiscard]] bool has_live_table() const noexcept { return live_ != nullptr; }
    [[nodiscard]] bool has_inactive_table() const noexcept { return inactive_ != nullptr; }
    /// The device a pass-through request goes to; nullptr and `error`: EIO without a path, EAGAIN while
    /// suspended or when it may work later: an activation was started if one is due (2.16, R35).
    block::Device *device_for_passing(int &error) noexcept;

    /// From now on every server has a cache of its own, and what is in those of the live table awaits a
    /// flush.
    void make_caches_independent();
    /// After shut_down(), once no client is left: makes what is kept stable, as far as there is a path.
    /// `done` is called from the loop.
    void flush_at_end(base::Delegate<> done) noexcept;

    /// What clients see; set once the paths are known, before the first request.
    void set_geometry(const block::Geometry &geometry) noexcept { geometry_ = geometry; }

    // The data path.
    void submit(block::Request &request) noexcept override;
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    /// The loss epoch a new client starts with: its FLUSH and FUA fail when something it wrote may have been
    /// lost since.
    [[nodiscard]] std::uint64_t generation() const noexcept override { return dirty_.loss_epoch(); }
    /// Ends the held requests of one requester with ESHUTDOWN: its client is gone. What paths have of it
    /// keeps newer writes of its range waiting (design D5).
    void drop_held(const block::Layer &origin) noexcept;

    // Path state, told by who watches the devices. Names no path of the table: nothing happens.
    /// The device answers: its hardware handler is told, nothing else changes.
    void path_reached(block::Device &device);
    /// What the hardware handler has against a device that was reached; empty: nothing.
    [[nodiscard]] std::string objection(block::Device &device) const;
    /// The device answers again: its entries come back, but for those that a fail_path message holds down.
    void path_answers(const block::Device &device) noexcept;
    /// The device is lost: its active entries fail.
    void path_lost(const block::Device &device) noexcept;
    /// Another disk answers at the device (design D6): its entries fail and stay so until it is unbarred.
    void bar(const block::Device &device, bool barred) noexcept;
    /// What the device gave back as `path_unfenced` cannot land any more: its ranges are open again.
    void path_fenced(const block::Device &device) noexcept;
    /// The device is about to go: its shut ranges open after `ambiguous_hold`.
    void path_removed(const block::Device &device) noexcept;
    /// Whether an entry of the device is failed and may come back by itself.
    [[nodiscard]] bool wants_back(const block::Device &device) const noexcept;

    // What an operator asks (copies; never waits). The texts need a live table.
    [[nodiscard]] const std::string &name() const noexcept { return name_; }
    void rename(std::string name);
    [[nodiscard]] std::string info_text() const;           ///< INFO, reference 2.19, with its trailing blank
    [[nodiscard]] std::string table_text() const;          ///< TABLE, reference 2.20
    [[nodiscard]] std::string inactive_table_text() const; ///< of the inactive table
    [[nodiscard]] std::vector<std::string> dependencies() const; ///< path names, each once
    /// A copy of each path entry's counters, in the order of the live table.
    [[nodiscard]] std::vector<PathStatistics> statistics() const;
    [[nodiscard]] std::string_view why_failed(const Path &path) const noexcept;
    [[nodiscard]] bool uses(const block::Device &device) const noexcept; ///< in either table
    [[nodiscard]] std::uint64_t event_number() const noexcept { return event_number_; }
    /// Requests that wait, for a path or for a resume.
    [[nodiscard]] std::size_t held() const noexcept;
    /// Requests that a path has, the map's own among them.
    [[nodiscard]] std::size_t in_flight() const noexcept {
        return in_flight_ + unkept_size_ + carrier_.in_flight() + dirty_.in_flight() + prober_.in_flight() +
               (activation_ && activation_->running() ? 1 : 0);
    }
    /// Changes of data which a path was given and which may still land (design D3, D5).
    [[nodiscard]] std::size_t in_doubt() const noexcept { return range_locks_.count(); }
    /// Bytes that are kept until a flush covers them (design D4).
    [[nodiscard]] std::size_t unflushed() const noexcept { return log_.bytes(); }
    /// The device was left with what may come back over newer data: it returns by hand or proven dead.
    [[nodiscard]] bool in_quarantine(const block::Device &device) const noexcept {
        return carrier_.holds_back(device);
    }
    /// How many wait, and for what: "2 for a path, 1 for a write in doubt".
    [[nodiscard]] std::string held_text() const;
    /// Age of the oldest request that waits; zero when none does.
    [[nodiscard]] base::Duration held_oldest() const noexcept;
    [[nodiscard]] const MapOptions &options() const noexcept { return options_; }
    [[nodiscard]] const Table *live_table() const noexcept { return live_.get(); }

    /// A dm message: verb and arguments (reference 2.17). Throws base::Error.
    void message(std::span<const std::string> words);

    /// Ends everything held with ESHUTDOWN, now and from now on; what is in flight goes on to its end.
    /// Whoever waits gets ESHUTDOWN too.
    void shut_down() noexcept;

private:
    enum class Mapped { sent, held, error };
    enum class Gate : unsigned char { open, suspending, suspended };

    // map.cpp: how requests move.
    void completed(block::Request &request, block::Status status) noexcept override;
    void admit(block::Request &request) noexcept;
    Mapped map(block::Request &request, bool was_held) noexcept;
    void send(block::Request &request, Path &path) noexcept;
    void note_wait(block::Request &request) noexcept;
    void hold(block::Request &request) noexcept;
    void wait_in(base::List<block::Request> &list, block::Request &request) noexcept;
    void requeue(block::Request &request, block::Status status) noexcept;
    void acknowledge(block::Request &request, const Path &path) noexcept;
    bool is_unverified(block::Request &request, Path &path, block::Status status) noexcept;
    void verified(block::Request &request, Path &first, bool first_reads, Path &second,
                  bool second_reads) noexcept override;
    [[nodiscard]] Path *other_path(const Path &path) const noexcept;
    void kick() noexcept { scheduler_.post(worker_); }
    void run_worker() noexcept;
    void send_again(block::Request &request, Path &path, base::Duration wait) noexcept;
    void delay(block::Request &request, base::Duration wait) noexcept;
    void release_delayed() noexcept;
    void end_all(base::List<block::Request> &list, block::Status status) noexcept;

    // map_doubt.cpp: changes of data whose end is not known.
    void came_back(block::Request &request, const Path &path, block::Status status) noexcept;
    [[nodiscard]] bool may_land(const block::Request &request, block::Status status) const noexcept;
    [[nodiscard]] bool never_again(const block::Request &request, block::Status status) const noexcept;
    void lock_what_paths_have(const block::Layer &origin) noexcept;
    [[nodiscard]] bool is_failed_flush(const block::Request &request, block::Status status) const noexcept;
    void flush_failed(block::Request &request, Path &path) noexcept;
    void warn_of_failed_flush(std::string_view path) noexcept;
    void ranges_freed() noexcept;

    // map_caches.cpp: servers with caches of their own (design D4).
    [[nodiscard]] bool tracks_caches() const noexcept {
        return options_.independent_caches && !geometry_.read_only;
    }
    [[nodiscard]] bool may_go(const Path &path) const noexcept {
        return !tracks_caches() || carrier_.carries(path);
    }
    bool let_carry(Path &path) noexcept;
    bool shares_next_flush(block::Request &request) noexcept;
    void send_next_flush() noexcept;
    block::Status flush_came_back(const block::Request &request, const Path &path,
                                  block::Status status) noexcept;
    void acknowledge_cached(block::Request &request, const Path &path) noexcept;
    void take_back(base::List<block::Request> &list) noexcept;
    void take_back(block::Request &request) noexcept;
    bool settle_caches() noexcept;
    void meet_devices();
    void meet(block::Device &device);
    [[nodiscard]] bool may_change_late() const noexcept override { return range_locks_.any(); }
    /// What paths hold from before our start is stable before anything newer is sent, too.
    [[nodiscard]] bool drained() const noexcept override {
        return in_flight_ == 0 && dirty_.in_flight() == 0;
    }
    void caches_are_known() noexcept;
    void takeover_ended() noexcept override;
    void replay_failed(Path &path, block::Request &request, block::Status status) noexcept override;
    void replay_refused(const Path &path, block::Status status) noexcept override;
    void flush_begins() noexcept override { covered_.take_all(unkept_); }
    void flushed(block::Device &device, block::Status status) noexcept override;
    void quarantined(const block::Device &device) noexcept override;

    // map_paths.cpp: what becomes of paths and groups.
    void fail(Path &path) noexcept;
    void reinstate(Path &path) noexcept;
    void path_activated(Path &path, handler::Result result) noexcept override;
    void round_over() noexcept override;
    void handler_event(std::string_view action, std::string details) noexcept override {
        tell(action, std::move(details), false);
    }
    void handler_warning(std::string_view text) noexcept override { observer_.warning(text); }
    void start_round_if_due() noexcept;
    void path_probed(Path &path, block::Status status) noexcept override;
    void probe_over() noexcept override;
    void set_queueing(bool on) noexcept;
    void watch_for_no_path() noexcept;
    void give_up_waiting() noexcept;
    [[nodiscard]] bool waits_without_path() const noexcept;
    void tell_group_change(const PriorityGroup *before) noexcept;
    void tell(std::string_view action, std::string details, bool counted = true) noexcept;
    template <typename Visit>
    void for_each_entry(const block::Device &device, Visit visit) noexcept;

    // map_gate.cpp: suspend, resume, table swap.
    void begin(Ticket &ticket, Ticket::Kind kind, bool noflush);
    void end(Ticket &ticket, int result) noexcept;
    void end_operation(int result) noexcept;
    void tell_ended() noexcept;
    void go_on() noexcept;
    void go_on_soon() noexcept { scheduler_.post(go_on_); }
    void close_gate(bool noflush) noexcept;
    void reopen() noexcept;
    [[nodiscard]] bool is_quiet() noexcept;
    void push_back_held() noexcept;
    void swap_tables() noexcept;

    void message_queueing(bool on);
    void message_group(std::string_view verb, const std::string &number);
    void message_path(bool reinstating, const std::string &name);
    [[nodiscard]] int not_found_error(const std::string &name) const;

    base::Scheduler &scheduler_;
    std::string name_;
    MapOptions options_;
    DeviceSet &devices_;
    Observer &observer_;
    block::Geometry geometry_;
    std::unique_ptr<Table> live_;
    std::unique_ptr<Table> inactive_;
    std::optional<block::Geometry> inactive_geometry_;
    std::unique_ptr<Activation> activation_; ///< of the live table, when it has a handler

    base::List<block::Request> held_;    ///< `queued_ios` of the reference
    base::List<block::Request> delayed_; ///< after a shortage, or before another try: held until the timer
    std::size_t queue_size_ = 0;         ///< both lists
    std::size_t in_flight_ = 0;
    bool shut_down_ = false;
    block::CompletionQueue finished_;
    base::List<block::Request::Change> changes_; ///< of data, that paths have
    RangeLocks range_locks_;
    base::List<block::Request> barred_; ///< by range_locks_
    std::size_t barred_size_ = 0;
    mutable DirtyPaths dirty_;               ///< generation() makes it notice losses
    std::vector<const block::Device *> met_; ///< whose cache we know
    UnflushedLog log_;
    Carrier carrier_;
    base::List<block::Request> unkept_;  ///< done, and the log has no room: acknowledged by the next flush
    base::List<block::Request> covered_; ///< the same, by the flush that runs
    std::size_t unkept_size_ = 0;        ///< both lists
    block::Request *running_flush_ = nullptr; ///< of clients
    Carrier::FlushScope running_flush_scope_{};
    base::List<block::Request> riders_;       ///< end with the running flush
    base::List<block::Request> next_flushes_; ///< came after it was sent
    base::Delegate<> flushed_at_end_;
    Prober prober_;
    EioVerifier eio_verifier_;
    base::Task worker_;
    base::Timer delay_;
    base::Timer no_path_timer_;
    bool queueing_timed_out_ = false; ///< queue_if_no_path comes back with the first path
    std::uint64_t event_number_ = 0;
    std::uint64_t path_event_sequence_ = 0;

    Gate gate_ = Gate::open;
    bool noflush_ = false;
    base::List<block::Request> pushed_back_; ///< by a suspend without flush: before deferred_
    base::List<block::Request> deferred_;    ///< came while the gate was not open
    std::size_t gated_ = 0;                  ///< both lists
    base::List<Ticket> operations_;          ///< suspends and resumes; the first one runs
    base::List<Ticket> probes_;
    base::List<Ticket> ended_;
    base::Task go_on_;
    base::Task tell_ended_;
};

template <typename Visit>
void Map::for_each_entry(const block::Device &device, Visit visit) noexcept {
    if (!live_)
        return;
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (path->device == &device)
                visit(*path);
}

} // namespace multipath
