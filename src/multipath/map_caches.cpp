// SPDX-License-Identifier: BSD-3-Clause
// Servers with caches of their own (design D4): who carries I/O, what is kept until a flush covers it.
#include "multipath/map.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <utility>

namespace multipath {

using block::Operation;
using block::Request;
using block::Status;

/// Whether requests may go to the path; else it takes over first.
bool Map::let_carry(Path &path) noexcept {
    if (may_go(path))
        return true;
    carrier_.take_over(path);
    return may_go(path);
}

/// One flush runs at a time: one that comes meanwhile waits for the next, which all of them share.
bool Map::shares_next_flush(Request &request) noexcept {
    if (running_flush_ != nullptr) {
        ++in_flight_;
        next_flushes_.push_back(request);
        return true;
    }
    running_flush_ = &request;
    running_flush_scope_ = carrier_.flush_scope();
    return false;
}

/// Returns how it ended for whoever sent it.
Status Map::flush_came_back(const Request &request, const Path &path, Status status) noexcept {
    running_flush_ = nullptr;
    // One that a restarted server answered covers nothing of what the dead one had; nor does one whose server
    // failed another flush meanwhile: that is to be asked again, and the path has done nothing wrong.
    if (status.ok() && !carrier_.trusts(*path.device))
        status = path.device->generation() == request.sent_generation
                     ? Status::retry(EAGAIN, std::numeric_limits<std::uint8_t>::max())
                     : Status::path_lost();
    base::List<Request> done;
    done.take_all(riders_);
    if (status.ok()) {
        carrier_.flush_succeeded(running_flush_scope_);
        dirty_.is_stable(*path.device, request.sent_generation);
    } else {
        done.take_all(next_flushes_);
        if (status.is_path_error())
            carrier_.distrust();
    }
    while (!done.empty()) {
        Request &rider = done.pop_front();
        --in_flight_;
        if (status.ok())
            dirty_.flush(rider);
        else if (status.is_path_error())
            take_back(rider);
        else
            finished_.add(rider, status);
    }
    send_next_flush();
    return status;
}

/// All that wait for it share it.
void Map::send_next_flush() noexcept {
    if (next_flushes_.empty())
        return;
    riders_.take_all(next_flushes_);
    Request &leader = riders_.pop_front();
    --in_flight_;
    if (map(leader, false) == Mapped::error)
        finished_.add(leader, Status::target_error(EIO));
    if (running_flush_ == &leader)
        return;
    base::List<Request> left;
    left.take_all(riders_);
    while (!left.empty()) {
        --in_flight_;
        take_back(left.pop_front());
    }
}

void Map::acknowledge_cached(Request &request, const Path &path) noexcept {
    if (request.operation == Operation::flush || request.fua) {
        if (request.fua)
            log_.cut(request);
        // What other servers hold from before must be stable, too, before this answers (H1).
        dirty_.flush(request, path.device);
        return;
    }
    if (log_.keep(request)) {
        if (log_.wants_flush())
            carrier_.flush();
        request.complete(Status::success());
        return;
    }
    unkept_.push_back(request);
    ++unkept_size_;
    if (!carrier_.flush())
        take_back(unkept_); // its device is lost by now
}

/// Requests that are done, but in a cache only.
void Map::take_back(base::List<Request> &list) noexcept {
    while (!list.empty()) {
        Request &request = list.pop_front();
        --unkept_size_;
        carrier_.leave(*static_cast<Path *>(request.popped())->device, request.sent_generation);
        take_back(request);
    }
}

/// A path has had the request, to no avail: it goes to another one.
void Map::take_back(Request &request) noexcept {
    request.retries = 0;
    if (shut_down_ || request.origin()->abandoned()) {
        finished_.add(request, Status::target_error(ESHUTDOWN));
    } else {
        hold(request);
        kick();
    }
}

void Map::flushed(block::Device &device, Status status) noexcept {
    if (status.ok()) {
        while (!covered_.empty()) {
            --unkept_size_;
            finished_.add(covered_.pop_front(), Status::success());
        }
        if (!unkept_.empty() && !carrier_.flush())
            take_back(unkept_);
    } else {
        const Path *failed = nullptr;
        for_each_entry(device, [this, &failed](Path &path) {
            fail(path);
            failed = &path;
        });
        if (status.outcome == block::Outcome::path && failed != nullptr && live_->valid_paths() == 0)
            warn_of_failed_flush(failed->name);
        take_back(covered_);
        take_back(unkept_);
    }
    go_on_soon();
}

void Map::takeover_ended() noexcept {
    take_back(covered_);
    take_back(unkept_);
    kick();
    go_on_soon();
}

void Map::replay_failed(Path &path, Request &request, Status status) noexcept {
    if (may_land(request, status))
        range_locks_.lock(request, options_.ambiguous_hold);
    fail(path);
}

void Map::replay_refused(const Path &path, Status status) noexcept {
    dirty_.count_loss();
    observer_.warning(fmt::format("path {} refuses what had been acknowledged and must be written again "
                                  "(error {}): it is lost; clients get errors from flushes until they "
                                  "connect again",
                                  path.name, status.error));
}

void Map::quarantined(const block::Device &device) noexcept {
    for_each_entry(device, [this](Path &path) {
        fail(path);
        tell("PATH_QUARANTINED", fmt::format("path={}", path.name), false);
        observer_.warning(fmt::format("path {} is in quarantine: its server may still hold unflushed data, "
                                      "older than what is written elsewhere from now on; end or restart "
                                      "that server, then say reinstate_path {}",
                                      path.name, path.name));
    });
}

/// One step towards an empty log; true when there is nothing more to do.
bool Map::settle_caches() noexcept {
    if (carrier_.busy())
        return false;
    if (log_.empty() && !carrier_.needs_flush())
        return true;
    if (carrier_.flush())
        return false;
    for (const auto &group : live_->groups()) {
        for (const auto &path : group->paths) {
            if (!path->active)
                continue;
            carrier_.take_over(*path);
            return false;
        }
    }
    return true;
}

void Map::flush_at_end(base::Delegate<> done) noexcept {
    flushed_at_end_ = done;
    go_on_soon();
}

void Map::make_caches_independent() {
    if (!std::exchange(options_.independent_caches, true) && live_ != nullptr)
        meet_devices();
}

void Map::meet(block::Device &device) {
    if (!tracks_caches() || std::ranges::find(met_, &device) != met_.end())
        return;
    met_.push_back(&device);
    dirty_.meet(device);
    dirty_.flush_all();
}

void Map::caches_are_known() noexcept {
    carrier_.go_on();
    go_on_soon();
}

/// The live table has come, or what its caches are like.
void Map::meet_devices() {
    const auto stays = [this](const block::Device &device) { return uses(device); };
    std::erase_if(met_, [&stays](const block::Device *device) { return !stays(*device); });
    carrier_.forget_devices(stays);
    for (const auto &group : live_->groups()) {
        for (const auto &path : group->paths) {
            if (carrier_.holds_back(*path->device))
                live_->fail(*path);
            else if (path->active)
                meet(*path->device);
        }
    }
}

} // namespace multipath
