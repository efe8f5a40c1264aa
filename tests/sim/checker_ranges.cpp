// SPDX-License-Identifier: BSD-3-Clause
// Changes of data that may land late, and those that have to wait for them: design D3, D5.
#include "checker.hpp"

#include <algorithm>

namespace sim {

bool Checker::may_land(const Io &io, block::Status status) const {
    return status.outcome == block::Outcome::path_in_doubt && io.changes_data() && reckons_with_ghosts();
}

void Checker::came_back(Io &io, block::Status status) {
    doubted_[io.device] |= status.outcome == block::Outcome::path_in_doubt;
    if (may_land(io, status)) {
        locks_.doubt(io, scheduler_.now() + setup_.options.ambiguous_hold);
        story.expect(fmt::format("WRITE_IN_DOUBT path={} offset={} length={}", device_name(io.device),
                                 io.offset, io.length));
    }
    locks_.came_back(io);
}

void Checker::leaves(Client &client) {
    client.alive = false;
    if (!reckons_with_ghosts())
        return;
    for (Io *io : open_ios_) {
        if (io->client != &client || !io->changes_data())
            continue;
        disk_.abandoned(*io, stamp_);
        if (io->where == Io::Where::at_device || std::ranges::find(refused_, io) != refused_.end())
            locks_.orphan(*io);
    }
}

// The map gives ranges free by a timer, before it does anything with them.
void Checker::catch_up_locks() {
    if (map_ == nullptr || map_->in_doubt() == locks_.count())
        return;
    const std::size_t before = locks_.count();
    locks_.expire(scheduler_.now());
    if (map_->in_doubt() != locks_.count())
        verdict_.fail("{} changes in doubt instead of {} or {}", map_->in_doubt(), locks_.count(), before);
}

void Checker::time_passed() {
    catch_up_locks();
    // Nothing runs, and no timer that could bring it on.
    if (caches() && map_->in_flight() == 0 && !closed() && !may_wait() && locks_.count() == 0 &&
        covered_count() != 0)
        verdict_.fail("{} requests are stuck", covered_count());
    if (!verdict_.failed() && locks_.any_due(scheduler_.now()))
        verdict_.fail("a range stays locked");
}

/// What the worker finds barred it moves to the others that are; nobody sees that.
void Checker::settle_bar(Io &io, bool worker_may_have_run) {
    const bool bars = locks_.bars(io);
    if (!bars && (io.line == Io::Line::barred || io.line == Io::Line::held_or_barred)) {
        io.line = Io::Line::held; // there is no path
        io.lost_place = true;
    } else if (bars && (io.line == Io::Line::held || io.line == Io::Line::held_or_barred)) {
        if (!may_wait())
            io.line = Io::Line::barred;
        else if (worker_may_have_run)
            io.line = Io::Line::held_or_barred;
        io.lost_place = true;
    }
}

unsigned Checker::barred_count() const {
    return static_cast<unsigned>(std::ranges::count_if(open_ios_, [](const Io *io) {
        return io->where == Io::Where::with_map && io->line == Io::Line::barred;
    }));
}

} // namespace sim
