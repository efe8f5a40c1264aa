// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "disk.hpp"
#include "gate_model.hpp"
#include "locks_model.hpp"
#include "path_device.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace sim {

/// Hears of everything in order, keeps the model up to date, and says when the map does not behave. What the
/// world does stands between a call before it and one after it.
class Checker final : public multipath::Observer,
                      public DeviceObserver,
                      public IoObserver,
                      private GateModel::Owner {
public:
    Checker(Verdict &verdict, const base::Scheduler &scheduler, const Setup &setup, Disk &disk);

    // What the world does to the map.
    void table_is_live(const multipath::Map &map, const TableSpec &spec);
    Client &connect();
    Io &make_io(Client &client);
    void submitting(Io &io);
    void submitted(Io &io);
    /// Before anything else that the world does, and after it.
    void begin();
    void end();
    void leaves(Client &client);
    void dies(unsigned device, bool proven);
    /// The device has come back, if need be out of quarantine.
    void released(unsigned device) noexcept {
        if (std::exchange(quarantined_[device], false))
            doubted_[device] = false;
    }
    /// Every timer that was due has fired.
    void time_passed();
    void probing();
    void probed();
    void passing();
    void passed(const block::Device *device, int error);
    PathsModel::Entry *activation_asked(unsigned device);
    void activation_ends(PathsModel::Entry &entry, handler::Result result);
    void activation_ended();
    /// What the handler says when it is asked.
    bool may_send(const PathDevice &device);
    void shut_down();

    /// After each step. `settled`: no task is left to run; then everything can be checked.
    void step_over(bool settled);
    /// Nothing may be left anywhere.
    void expect_all_done();

    [[nodiscard]] Stamp stamp() noexcept override { return ++stamp_; }

    Story story;
    PathsModel paths;
    GateModel gate;
    std::array<bool, devices> barred{};
    std::array<bool, devices> refusing{}; ///< the handler lets nothing go there
    std::array<PathDevice *, devices> path_devices{};
    std::vector<std::unique_ptr<GateModel::Waiter>> waiters;

private:
    /// `any`: not foreseen.
    enum class Fate { none, done, stays, same_path, other_path, any };

    // checker_events.cpp
    void event(const multipath::Event &event) noexcept override;
    void warning(std::string_view) noexcept override {}
    void gate_closes(bool seen) noexcept override;
    void gate_opens() noexcept override;
    void check_quiet();
    [[nodiscard]] bool may_be_used(unsigned device) const noexcept;
    [[nodiscard]] bool usable(unsigned device) const noexcept;

    // checker_requests.cpp
    Io *io_of(block::Request &request) noexcept override;
    void sent(PathDevice &device, block::Request &request) noexcept override;
    void delivering(PathDevice &device, block::Request &request, block::Status status) noexcept override;
    void delivered() noexcept override;
    void io_ended(Io &io, block::Status status) noexcept override;
    void check_sent(Io &io, const PathDevice &device);
    void check_turn(const Io &io);
    void delivering_own(PathDevice &device, block::Request &request, block::Status status);
    [[nodiscard]] bool is_failed_flush(const Io &io, block::Status status) const;
    Fate fate_of(Io &io, block::Status status);
    Fate requeue(Io &io, block::Status status);
    void check_result(const Io &io, block::Status status);
    void wait(Io &io, Io::Line line);
    void leave_line(Io &io);

    // checker_doubts.cpp
    std::optional<Fate> fate_in_doubt(Io &io, block::Status status);
    void doubt_read_sent(const PathDevice &device, block::Request &request);
    bool doubt_read_ends(const PathDevice &device, block::Request &request, block::Status status);

    // checker_caches.cpp
    [[nodiscard]] bool caches() const noexcept { return setup_.options.independent_caches; }
    void own_sent(const PathDevice &device, block::Request &request);
    void own_flush_ends(const PathDevice &device, block::Request &request, block::Status status);
    void replay_ends(block::Request &request, block::Status status);
    void check_carrier(const Io &io, const PathDevice &device);
    Fate fate_with_caches(Io &io, block::Status status);
    bool quarantine_told(const multipath::Event &event, const std::string &line);
    void tables_swapped();
    [[nodiscard]] Stamp covers() const;
    void changes(const PathDevice &device);
    [[nodiscard]] bool is_dead(unsigned device) const;
    void flushed(unsigned device, std::uint64_t generation, Stamp sent);
    void check_caches();
    [[nodiscard]] unsigned covered_count() const;

    // checker_ranges.cpp
    void came_back(Io &io, block::Status status);
    void catch_up_locks();
    [[nodiscard]] bool may_land(const Io &io, block::Status status) const;
    void settle_bar(Io &io, bool worker_may_have_run);
    [[nodiscard]] bool reckons_with_ghosts() const noexcept {
        return setup_.options.ambiguous_writes != multipath::AmbiguousWrites::retry;
    }
    [[nodiscard]] unsigned barred_count() const;

    // checker_refusals.cpp
    void catch_up_refusals();
    void refusal_ends();

    // checker_step.cpp
    void check_invariants();
    void check_waiting();
    /// Whether the map may keep a request that is not barred.
    [[nodiscard]] bool may_wait() const noexcept {
        return (paths.valid_paths() == 0 && paths.queueing) || paths.activations() != 0 ||
               (caches() && map_->in_flight() != 0);
    }
    void note_worker() noexcept {
        worker_may_run_ |= paths.valid_paths() != 0 ? !paths.queue_io : !paths.queueing;
    }
    void check_paths();
    void check_in_flight();
    void check_gate(std::size_t in_flight);
    void check_selectors();
    void check_waiters();
    void settle_lines();
    [[nodiscard]] std::string expected_info() const;
    [[nodiscard]] unsigned queue_size() const;
    /// Whether a request is in the map, and nobody can tell where.
    [[nodiscard]] bool any_unsure() const;

    [[nodiscard]] bool waits_without_path() const noexcept {
        return paths.queueing || gate.suspending_noflush();
    }
    [[nodiscard]] bool hopeless() const noexcept { return paths.valid_paths() == 0 && !waits_without_path(); }
    /// A round that is due begins as soon as the one before it has ended.
    [[nodiscard]] bool rounds_go_on() const { return !shut_down_ && (!closed() || queue_size() != 0); }
    [[nodiscard]] bool closed() const noexcept { return gate.state != GateModel::State::open; }

    Verdict &verdict_;
    const base::Scheduler &scheduler_;
    const Setup &setup_;
    Disk &disk_;
    const multipath::Map *map_ = nullptr;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<std::unique_ptr<Io>> ios_;
    std::vector<Io *> open_ios_; ///< not done
    std::vector<Io *> line_;     ///< those that must keep their order
    unsigned batch_ = 0;
    LocksModel locks_;
    bool worker_may_run_ = false; ///< at some time in this step
    bool line_is_sure_ = true;    ///< the step in which the gate closed is over
    Stamp stamp_ = 0;
    Stamp flush_failed_ = 0; ///< last
    Stamp last_hopeless_ = 0;
    std::size_t held_before_ = 0;
    unsigned own_flushes_ = 0;
    unsigned probe_reads_ = 0;
    std::optional<unsigned> probed_group_;
    bool activates_unasked_ = false; ///< without a held request: R35, the next round
    bool shut_down_ = false;
    Io *delivered_io_ = nullptr;
    Fate fate_ = Fate::none;
    std::deque<Io *> refused_;                      ///< by the handler, in order
    const PathsModel::Entry *other_path_ = nullptr; ///< where Fate::other_path leads
    std::map<const block::Request *, Io *> doubt_reads_;

    // Independent caches.
    struct Replay {
        Change change;
        PathsModel::Entry *entry;
    };
    struct OwnFlush {
        unsigned device;
        bool at_start;
        std::uint64_t generation;
        unsigned distrusts;
        Stamp sent;
    };
    std::map<const block::Request *, Replay> replays_;
    std::map<const block::Request *, OwnFlush> flushes_;
    const block::Layer *flushes_at_start_ = nullptr; ///< whose flushes come first
    unsigned distrusts_ = 0;                         ///< how often a flush of a client failed
    std::optional<block::Status> refused_flush_;     ///< the last answer of that kind
    std::array<bool, devices> quarantined_{};
    std::array<Stamp, devices> changed_{}; ///< what no flush covers was sent there last
    std::array<std::uint64_t, devices> changed_generation_{};
    std::array<bool, devices> doubted_{}; ///< it was given something that may still be carried out
    std::optional<unsigned> fails_for_quarantine_;
};

} // namespace sim
