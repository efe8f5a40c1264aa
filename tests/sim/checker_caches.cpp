// SPDX-License-Identifier: BSD-3-Clause
// Servers with caches of their own (design D4): one path device carries all I/O, what it has not flushed is
// done again on the next one, and who was left dirty stays away. Where a request waits meanwhile is not
// foreseen; that none is lost, and nothing waits for nothing, is.
#include "checker.hpp"

#include <algorithm>

namespace sim {

unsigned Checker::covered_count() const {
    return static_cast<unsigned>(std::ranges::count_if(open_ios_, [](const Io *io) {
        return io->where == Io::Where::with_map && io->line == Io::Line::covered;
    }));
}

/// Which changes a flush covers that is sent now.
Stamp Checker::covers() const {
    const bool later_ones = std::ranges::any_of(
        open_ios_, [](const Io *io) { return io->where == Io::Where::at_device && io->changes_data(); });
    return later_ones ? 0 : stamp_;
}

void Checker::own_sent(const PathDevice &device, block::Request &request) {
    const auto at_path =
        std::ranges::find_if(open_ios_, [](const Io *io) { return io->where == Io::Where::at_device; });
    if (request.operation == block::Operation::flush) {
        ++own_flushes_;
        if (flushes_at_start_ == nullptr)
            flushes_at_start_ = request.origin();
        flushes_[&request] = {.device = device.number,
                              .at_start = request.origin() == flushes_at_start_,
                              .generation = device.generation(),
                              .distrusts = distrusts_,
                              .sent = covers()};
        return;
    }
    if (at_path != open_ios_.end())
        verdict_.fail("a change is done again, and a path still has request {}", (*at_path)->id);
    PathsModel::Entry *entry = paths.current ? paths.find(*paths.current, device.number) : nullptr;
    paths.for_each_entry(device.number, [&entry](PathsModel::Entry &each) {
        if (entry == nullptr || !entry->active)
            entry = &each;
    });
    if (entry == nullptr || !entry->active)
        verdict_.fail("a change is done again on {}, no usable path", device_name(device.number));
    replays_[&request] = {.change = disk_.change_of(request, nullptr), .entry = entry};
    changes(device);
}

void Checker::changes(const PathDevice &device) {
    if (!device.alive())
        return;
    changed_[device.number] = stamp_;
    changed_generation_[device.number] = device.generation();
}

/// Whether the server that has got something has surely ended.
bool Checker::is_dead(unsigned device) const {
    const PathDevice &at = *path_devices[device];
    return at.proven_dead() && at.generation() > changed_generation_[device];
}

void Checker::flushed(unsigned device, std::uint64_t generation, Stamp sent) {
    if (path_devices[device]->generation() == generation && changed_[device] <= sent)
        changed_[device] = 0;
}

void Checker::own_flush_ends(const PathDevice &device, block::Request &request, block::Status status) {
    --own_flushes_;
    const OwnFlush flush = flushes_.extract(&request).mapped();
    const bool same = device.generation() == flush.generation;
    if (flush.at_start) {
        if (!status.ok() || !same)
            disk_.note_loss(stamp_);
        return;
    }
    if (status.ok() && (!same || distrusts_ != flush.distrusts))
        status = block::Status::path_lost();
    if (status.ok())
        return flushed(device.number, flush.generation, flush.sent);
    doubted_[device.number] |= covered_count() != 0; // the map looks for no other flush that covered them
    bool any = false;
    paths.for_each_entry(device.number, [this, &any](PathsModel::Entry &entry) {
        paths.fail(entry);
        any = true;
    });
    if (status.outcome == block::Outcome::path && any && paths.valid_paths() == 0) {
        flush_failed_ = ++stamp_;
        disk_.note_loss(stamp_);
    }
}

void Checker::replay_ends(block::Request &request, block::Status status) {
    const Replay replay = replays_.extract(&request).mapped();
    if (status.is_path_error()) {
        if (status.outcome == block::Outcome::path_in_doubt && reckons_with_ghosts())
            locks_.doubt(replay.change, scheduler_.now() + setup_.options.ambiguous_hold);
        if (replay.entry != nullptr) {
            doubted_[replay.entry->device] |= status.in_doubt();
            paths.fail(*replay.entry);
        }
    } else if (!status.ok()) {
        flush_failed_ = ++stamp_;
        disk_.give_up(replay.change, stamp_);
    }
}

void Checker::check_carrier(const Io &io, const PathDevice &device) {
    if (!replays_.empty())
        verdict_.fail("request {} was sent while changes are done again", io.id);
    if (std::ranges::any_of(flushes_, [&device](const auto &flush) {
            return flush.second.at_start && flush.second.device == device.number;
        }))
        verdict_.fail("request {} was sent to {}, whose old cache is not flushed", io.id,
                      device_name(device.number));
    for (const Io *other : open_ios_)
        if (other->where == Io::Where::at_device &&
            (other->device != device.number || other->sent_generation != io.sent_generation))
            verdict_.fail("request {} was sent to {}, and {} is still with {}", io.id,
                          device_name(device.number), other->id, device_name(other->device));
    if (io.changes_data())
        changes(device);
}

Checker::Fate Checker::fate_with_caches(Io &io, block::Status status) {
    PathsModel::Entry *entry = paths.find(io.group, io.device);
    if (io.is_flush()) {
        if (status.ok() && io.sent_generation != path_devices[io.device]->generation())
            status = block::Status::path_lost();
        if (status.ok())
            flushed(io.device, io.sent_generation, io.sent);
        else if (status.is_path_error())
            ++distrusts_;
        else
            refused_flush_ = status;
    }
    if (is_failed_flush(io, status)) {
        if (entry != nullptr)
            paths.fail(*entry);
        ++distrusts_;
        if (paths.valid_paths() != 0) {
            io.line = Io::Line::covered;
            return Fate::any;
        }
        flush_failed_ = ++stamp_;
        disk_.note_loss(stamp_);
        return Fate::done;
    }
    if (status.ok() && (io.changes_data() || io.is_flush())) {
        io.line = Io::Line::covered;
        return Fate::any;
    }
    if (!status.is_path_error() || (io.asked == block::Operation::cache && status.error == EAGAIN))
        return Fate::done;
    if (status.outcome == block::Outcome::retry && io.retries < status.retries && entry != nullptr &&
        entry->active) {
        if (shut_down_ || !io.client->alive)
            return Fate::done;
        io.may_stay = true;
        io.line = Io::Line::covered;
        return Fate::any;
    }
    return requeue(io, status);
}

void Checker::dies(unsigned device, bool proven) {
    verdict_.note("    {} {}", device_name(device), proven ? "ends" : "is out of sight");
    if (std::ranges::any_of(flushes_, [](const auto &flush) { return flush.second.at_start; }))
        disk_.note_loss(++stamp_);
}

/// What is seen of the end of a takeover.
bool Checker::quarantine_told(const multipath::Event &event, const std::string &line) {
    static constexpr std::string_view before = "path=P";
    if (!caches() || !event.details.starts_with(before) || event.details.size() <= before.size())
        return false;
    const auto device = static_cast<unsigned>(event.details[before.size()] - '0');
    if (event.action == "PATH_FAILED" && device < devices && !fails_for_quarantine_) {
        paths.for_each_entry(device, [this](PathsModel::Entry &entry) { paths.fail(entry); });
        fails_for_quarantine_ = device;
        return story.take(line);
    }
    if (event.action != "PATH_QUARANTINED")
        return false;
    fails_for_quarantine_.reset();
    if ((changed_[device] == 0 && !doubted_[device]) || is_dead(device))
        verdict_.fail("{} is in quarantine, and had nothing that could come back", device_name(device));
    quarantined_[device] = true;
    return true;
}

/// The operator has ended the servers that are in no table any more.
void Checker::tables_swapped() {
    for (Io *io : open_ios_)
        io->may_stay = false; // its path is one of the new table, if it has that device
    for (unsigned device = 0; device < devices && caches(); ++device) {
        bool in_table = false;
        paths.for_each_entry(device, [&in_table, this](PathsModel::Entry &entry) {
            in_table = true;
            const PathDevice &at = *path_devices[entry.device];
            if (map_->in_quarantine(at) && may_be_used(entry.device))
                ++entry.fail_count;
        });
        if (is_dead(device))
            quarantined_[device] = false;
        if (in_table || (changed_[device] == 0 && !quarantined_[device]))
            continue;
        path_devices[device]->restart();
        changed_[device] = 0;
        quarantined_[device] = doubted_[device] = false;
    }
}

void Checker::check_caches() {
    const auto count = [this](auto what) {
        return static_cast<std::size_t>(std::ranges::count_if(open_ios_, what));
    };
    const std::size_t at_paths = count([](const Io *io) { return io->where == Io::Where::at_device; });
    const std::size_t known =
        at_paths + own_flushes_ + replays_.size() + probe_reads_ + (paths.activations() != 0 ? 1 : 0);
    const std::size_t covered = covered_count();
    const std::size_t unsure =
        covered + count([](const Io *io) { return io->waits() && io->line == Io::Line::unsure; });
    const std::size_t in_flight = map_->in_flight();
    if (in_flight < known || in_flight > known + unsure) {
        verdict_.fail("{} in flight instead of {} to {}", in_flight, known, known + unsure);
        return;
    }
    const std::size_t for_flush = in_flight - known;
    const std::size_t waiting = count([](const Io *io) { return io->waits(); });
    const bool at_start =
        std::ranges::any_of(flushes_, [](const auto &flush) { return flush.second.at_start; });
    const bool flush_runs =
        own_flushes_ != 0 ||
        count([](const Io *io) { return io->where == Io::Where::at_device && io->is_flush(); }) != 0;
    if (for_flush != 0 && !flush_runs)
        verdict_.fail("{} requests wait for a flush, and none runs", for_flush);
    if (!at_start && covered + waiting != for_flush + map_->held())
        verdict_.fail("{} requests are with the map, which knows of {}", covered + waiting,
                      for_flush + map_->held());
    check_gate(in_flight);
    if (map_->unflushed() == 0)
        disk_.check_stable(stamp_);
    for (unsigned device = 0; device < devices; ++device) {
        const bool held_back = map_->in_quarantine(*path_devices[device]);
        if (held_back ? !quarantined_[device] : quarantined_[device] && !is_dead(device))
            verdict_.fail("{} is {}in quarantine", device_name(device), held_back ? "" : "not ");
    }
}

} // namespace sim
