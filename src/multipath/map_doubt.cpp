// SPDX-License-Identifier: BSD-3-Clause
// Requests whose end is not known (design D3, D5), flushes that failed (D10), and errors of which nobody
// knows whether path or disk is at fault.
#include "multipath/map.hpp"

#include <fmt/format.h>

namespace multipath {

bool Map::may_land(const block::Request &request, block::Status status) const noexcept {
    return status.in_doubt() && request.changes_data() && options_.ambiguous_writes != AmbiguousWrites::retry;
}

/// A path gave back a change of data.
void Map::came_back(block::Request &request, const Path &path, block::Status status) noexcept {
    request.change.unlink();
    if (tracks_caches() && !status.ok() && status.outcome != block::Outcome::path_lost)
        carrier_.leave(*path.device, request.sent_generation, status.in_doubt());
    if (may_land(request, status)) {
        if (status.outcome == block::Outcome::path_unfenced)
            range_locks_.shut(request, *path.device);
        else
            range_locks_.lock(request, options_.ambiguous_hold);
        tell("WRITE_IN_DOUBT",
             fmt::format("path={} offset={} length={}", path.name, request.offset, request.length), false);
    }
    if (request.range_lock != 0)
        range_locks_.ended(request);
}

void Map::lock_what_paths_have(const block::Layer &origin) noexcept {
    if (options_.ambiguous_writes == AmbiguousWrites::retry)
        return;
    changes_.for_each([this, &origin](block::Request::Change &change) {
        if (change.request.origin() == &origin)
            range_locks_.lock_until_end(change.request);
    });
}

bool Map::never_again(const block::Request &request, block::Status status) const noexcept {
    return may_land(request, status) && (status.outcome == block::Outcome::path_unfenced ||
                                         options_.ambiguous_writes == AmbiguousWrites::fail);
}

void Map::path_fenced(const block::Device &device) noexcept { range_locks_.open(device, {}); }

void Map::path_removed(const block::Device &device) noexcept {
    range_locks_.open(device, options_.ambiguous_hold);
}

void Map::ranges_freed() noexcept {
    base::List<block::Request> waiting;
    waiting.take_all(barred_);
    barred_size_ = 0;
    // As they came; those that another lock bars are soon back.
    while (!waiting.empty())
        admit(waiting.pop_front());
    if (gate_ == Gate::suspending)
        go_on_soon();
}

/// The path has said so itself, as opposed to being lost: what its cache held may be gone.
bool Map::is_failed_flush(const block::Request &request, block::Status status) const noexcept {
    return status.outcome == block::Outcome::path && request.makes_stable() &&
           !(live_ && live_->compat().repeats_failed_flushes);
}

/// What was written is kept and another path can be given it, or that is an error for everybody who wrote
/// (D10).
void Map::flush_failed(block::Request &request, Path &path) noexcept {
    fail(path);
    if (tracks_caches()) {
        carrier_.distrust();
        if (live_->valid_paths() != 0) {
            take_back(request);
            return;
        }
    }
    warn_of_failed_flush(path.name);
    request.complete(block::Status::target_error(EIO));
}

void Map::warn_of_failed_flush(std::string_view path) noexcept {
    dirty_.count_loss();
    observer_.warning(
        fmt::format("path {} failed a flush: what was written and not flushed may be lost; clients get "
                    "errors from flushes until they connect again",
                    path));
}

// 4.4, `eio: verify`
bool Map::is_unverified(block::Request &request, Path &path, block::Status status) noexcept {
    Path *first = eio_verifier_.any() ? eio_verifier_.first_of(request) : nullptr;
    const bool is_eio = status == block::Status::path_error(EIO) && !shut_down_;
    if (first == nullptr) {
        // What a dead client left with a path ends there (design D5).
        Path *other = is_eio && !request.origin()->abandoned() ? other_path(path) : nullptr;
        if (other == nullptr)
            return false;
        eio_verifier_.doubt(request, path);
        request.retries = 0;
        send(request, *other);
        return true;
    }
    if (is_eio) {
        ++in_flight_; // until verified()
        eio_verifier_.verify(request, path);
        return true;
    }
    eio_verifier_.forget(request);
    if (!status.is_path_error())
        fail(*first); // the other path could
    return false;
}

void Map::verified(block::Request &request, Path &first, bool first_reads, Path &second,
                   bool second_reads) noexcept {
    if (--in_flight_ == 0)
        carrier_.go_on();
    if (!first_reads)
        fail(first);
    if (!second_reads)
        fail(second);
    if (first_reads && second_reads) {
        request.complete(block::Status::target_error(EIO));
    } else if (shut_down_ || request.origin()->abandoned()) {
        request.complete(block::Status::target_error(ESHUTDOWN));
    } else {
        hold(request);
        kick();
    }
    if (gate_ == Gate::suspending)
        go_on_soon();
}

Path *Map::other_path(const Path &path) const noexcept {
    const auto find_in = [&path](const PriorityGroup &group) -> Path * {
        for (const auto &other : group.paths)
            if (other->active && other->device != path.device)
                return other.get();
        return nullptr;
    };
    if (Path *other = find_in(*path.group))
        return other;
    // A group that is not in use may have to be activated first.
    if (live_->handler() != nullptr || options_.independent_caches)
        return nullptr;
    for (const auto &group : live_->groups())
        if (!group->bypassed)
            if (Path *other = find_in(*group))
                return other;
    return nullptr;
}

} // namespace multipath
