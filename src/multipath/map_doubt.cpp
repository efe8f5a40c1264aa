// SPDX-License-Identifier: BSD-3-Clause
// Requests whose end is not known (design D3, D5), and flushes that failed (D10).
#include "multipath/map.hpp"

#include <fmt/format.h>

namespace multipath {

bool Map::may_land(const block::Request &request, block::Status status) const noexcept {
    return status.outcome == block::Outcome::path_in_doubt && request.changes_data() &&
           options_.ambiguous_writes != AmbiguousWrites::retry;
}

/// A path gave back a change of data.
void Map::came_back(block::Request &request, const Path &path, block::Status status) noexcept {
    request.change.unlink();
    if (may_land(request, status)) {
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

/// No other path can make that good: an error for everybody who wrote (D10).
void Map::flush_failed(block::Request &request, Path &path) noexcept {
    dirty_.count_loss();
    fail(path);
    observer_.warning(
        fmt::format("path {} failed a flush: what was written and not flushed may be lost; clients get "
                    "errors from flushes until they connect again",
                    path.name));
    request.complete(block::Status::target_error(EIO));
}

} // namespace multipath
