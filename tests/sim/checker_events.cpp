// SPDX-License-Identifier: BSD-3-Clause
// What the map tells, and what the world does to it beside requests.
#include "checker.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace sim {

Checker::Checker(Verdict &verdict, const base::Scheduler &scheduler, const Setup &setup, Disk &disk)
    : story(verdict)
    , paths(verdict, story, scheduler, setup)
    , gate(verdict, paths, *this)
    , verdict_(verdict)
    , scheduler_(scheduler)
    , setup_(setup)
    , disk_(disk) {}

void Checker::table_is_live(const multipath::Map &map, const TableSpec &spec) {
    map_ = &map;
    paths.start_table(map, spec, [this](unsigned device) { return usable(device); });
    paths.watch_for_no_path();
}

bool Checker::may_be_used(unsigned device) const noexcept {
    return !barred[device] && (path_devices[device]->alive() || paths.kernel());
}

bool Checker::usable(unsigned device) const noexcept {
    return may_be_used(device) && !map_->in_quarantine(*path_devices[device]);
}

Client &Checker::connect() {
    Client &client = *clients_.emplace_back(std::make_unique<Client>(*this, stamp()));
    client.epoch = map_->generation();
    return client;
}

void Checker::begin() {
    if (hopeless())
        last_hopeless_ = stamp_;
    ++stamp_;
    paths.catch_up();
    catch_up_refusals();
    catch_up_locks();
    note_worker();
    delivered_io_ = nullptr;
    fate_ = Fate::none;
}

void Checker::end() {
    paths.catch_up();
    story.expect_nothing_more();
    activates_unasked_ = false;
    note_worker();
    if (hopeless())
        last_hopeless_ = stamp_;
}

void Checker::event(const multipath::Event &event) noexcept {
    ++stamp_;
    catch_up_refusals();
    catch_up_locks();
    note_worker();
    story.count(event);
    if (fails_for_quarantine_ && event.action != "PATH_QUARANTINED")
        verdict_.fail("{} failed without a reason", device_name(*fails_for_quarantine_));
    const std::string line =
        event.details.empty() ? std::string(event.action) : fmt::format("{} {}", event.action, event.details);
    verdict_.note("    {}", line);
    if (story.take(line))
        return;
    if (event.action == "PG_CURRENT") {
        paths.catch_up();
        paths.group_chosen(static_cast<unsigned>(base::parse_number(event.details.substr(3)).value_or(0)));
    } else if (event.action == "SUSPENDED") {
        gate.suspended();
        check_quiet();
    } else if (event.action == "TABLE_SWAPPED") {
        if (gate.inactive)
            paths.start_table(*map_, *gate.inactive, [this](unsigned device) { return usable(device); });
        tables_swapped();
        gate.swapped();
    } else if (event.action == "RESUMED") {
        gate.resumed();
    } else if (event.action == "NO_PATH_TIMEOUT") {
        paths.no_path_timeout();
    } else if (paths.delay_over(line, rounds_go_on()) || paths.gets_no_other()
                   ? !story.take(line)
                   : !quarantine_told(event, line)) {
        verdict_.fail("'{}' was told, expected was {}", line, story.next());
    }
}

// Suspended means: nothing is anywhere but in the line before the gate.
void Checker::check_quiet() {
    if (own_flushes_ != 0 || probe_reads_ != 0 || paths.activations() != 0)
        verdict_.fail("suspended, and a flush, probe or activation runs");
    for (const Io *io : open_ios_) {
        const bool before_gate = io->line == Io::Line::pushed_back || io->line == Io::Line::deferred ||
                                 io->line == Io::Line::unsure || gate.noflush();
        if (io->where != Io::Where::with_map || io->line == Io::Line::in_doubt ||
            (io->waits() && !before_gate))
            verdict_.fail("suspended, and request {} is not before the gate", io->id);
    }
    if (caches() && paths.valid_paths() != 0 && map_->unflushed() != 0)
        verdict_.fail("suspended, and acknowledged data is in a cache only");
}

void Checker::gate_closes(bool seen) noexcept {
    line_is_sure_ = seen;
    if (!gate.noflush() || !seen)
        return;
    std::stable_partition(line_.begin(), line_.end(),
                          [](const Io *io) { return io->line != Io::Line::barred; });
    for (Io *io : open_ios_) {
        io->lost_place |= io->line == Io::Line::held_or_barred;
        if (io->where == Io::Where::with_map &&
            (io->line == Io::Line::held || io->line == Io::Line::delayed || io->line == Io::Line::barred ||
             io->line == Io::Line::held_or_barred))
            io->line = Io::Line::pushed_back;
    }
}

void Checker::gate_opens() noexcept {
    ++batch_;
    if (!line_is_sure_)
        line_.clear();
    // What was pushed back comes before what came later.
    std::stable_partition(line_.begin(), line_.end(),
                          [](const Io *io) { return io->line != Io::Line::deferred; });
    for (Io *io : line_) {
        if (io->line == Io::Line::held || (io->line == Io::Line::barred && !gate.noflush()))
            continue;
        io->batch = batch_;
        io->came_late = io->line == Io::Line::deferred;
    }
    for (Io *io : open_ios_) {
        const bool was_gated = io->line == Io::Line::pushed_back || io->line == Io::Line::deferred ||
                               (io->line == Io::Line::delayed && gate.noflush()) ||
                               (io->line == Io::Line::barred && gate.noflush());
        if (gate.noflush() || io->line == Io::Line::pushed_back)
            io->due = base::TimePoint{}; // the suspend was pause enough
        if (io->where == Io::Where::with_map && was_gated)
            // It goes to a path, or with a round of flushes.
            io->line = caches() && io->is_flush() ? Io::Line::covered
                       : locks_.bars(*io)         ? Io::Line::barred
                                                  : Io::Line::held;
    }
}

void Checker::probing() {
    begin();
    if (probe_reads_ == 0 && !closed() && paths.current && !paths.queue_io)
        probed_group_ = paths.current;
}

void Checker::probed() {
    if (probe_reads_ == 0) { // there was nothing to read
        probed_group_.reset();
        gate.probe_over(paths.valid_paths() != 0 ? 0 : ENOTCONN);
    } else {
        paths.hold_group(true);
    }
    end();
}

void Checker::passing() {
    begin();
    activates_unasked_ = true;
}

void Checker::passed(const block::Device *device, int error) {
    paths.catch_up();
    int expected = 0;
    if (closed())
        expected = EAGAIN;
    else if (paths.valid_paths() == 0)
        expected = paths.queueing ? EAGAIN : EIO;
    else if (paths.queue_io)
        expected = EAGAIN;
    if ((device != nullptr ? 0 : error) != expected)
        verdict_.fail("pass-through gave {} instead of {}", error, expected);
    if (device != nullptr) {
        const auto &taken = *static_cast<const PathDevice *>(device);
        const PathsModel::Entry *entry = paths.current ? paths.find(*paths.current, taken.number) : nullptr;
        if (entry == nullptr || !entry->active)
            verdict_.fail("pass-through chose {}", device_name(taken.number));
    }
    if (!closed() && paths.activation_required && paths.activations() == 0 && paths.valid_paths() != 0)
        verdict_.fail("pass-through started no activation");
    end();
}

PathsModel::Entry *Checker::activation_asked(unsigned device) {
    ++stamp_;
    verdict_.note("    activate {}", device_name(device));
    if (!paths.foresees_activation() && !activates_unasked_ && std::ranges::none_of(open_ios_, &Io::waits) &&
        !any_unsure() && !gate.unsure())
        verdict_.fail("{} was activated, and no request waits (I5)", device_name(device));
    return paths.activation_asked(device);
}

void Checker::activation_ends(PathsModel::Entry &entry, handler::Result result) {
    begin();
    activates_unasked_ = true;
    const multipath::Path *current = map_->live_table()->current_path();
    const bool was_current = current != nullptr && current->group->number == entry.group + 1 &&
                             current->name == device_name(entry.device);
    std::optional<bool> quiet = shut_down_ || (closed() && queue_size() == 0);
    if (*quiet && !shut_down_ && any_unsure())
        quiet.reset();
    paths.activation_ends(entry, result, was_current, quiet);
}

void Checker::activation_ended() {
    paths.activation_ended(rounds_go_on());
    end();
}

void Checker::shut_down() {
    begin();
    shut_down_ = true;
    paths.shut_down();
    gate.shut_down();
    line_.clear();
    probed_group_ = probe_reads_ != 0 ? probed_group_ : std::nullopt;
}

} // namespace sim
