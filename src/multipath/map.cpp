// SPDX-License-Identifier: BSD-3-Clause
// How requests move. Numbers in comments are sections of the semantics reference.
#include "multipath/map.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace multipath {

namespace {

using namespace std::chrono_literals;
constexpr auto shortage_delay = 100ms; // 4.3 PATH_DELAY

/// Bytes that the selectors and the statistics count.
std::uint64_t load_of(const block::Request &request) noexcept {
    return request.operation == block::Operation::block_status ? 0 : request.length;
}

} // namespace

Map::Map(base::Scheduler &scheduler, std::string name, MapOptions options, DeviceSet &devices,
         Observer &observer)
    : scheduler_(scheduler)
    , name_(std::move(name))
    , options_(options)
    , devices_(devices)
    , observer_(observer)
    , finished_(scheduler)
    , range_locks_(scheduler, base::Delegate<>::to<&Map::ranges_freed>(*this))
    , dirty_(finished_, base::Delegate<>::to<&Map::caches_are_known>(*this))
    , log_(options.buffers, options.unflushed_limit)
    , carrier_(*this, log_)
    , prober_(*this)
    , eio_verifier_(*this)
    , worker_(base::Delegate<>::to<&Map::run_worker>(*this))
    , delay_(scheduler, base::Delegate<>::to<&Map::release_delayed>(*this))
    , no_path_timer_(scheduler, base::Delegate<>::to<&Map::give_up_waiting>(*this))
    , go_on_(base::Delegate<>::to<&Map::go_on>(*this))
    , tell_ended_(base::Delegate<>::to<&Map::tell_ended>(*this)) {}

Map::~Map() {
    assert(queue_size_ == 0 && barred_size_ == 0 && gated_ == 0 && in_flight() == 0 && finished_.empty());
}

void Map::submit(block::Request &request) noexcept {
    request.range_lock = 0;
    if (gate_ == Gate::open)
        admit(request);
    else if (request.operation == block::Operation::cache)
        finished_.add(request, block::Status::target_error(EIO)); // read-ahead does not wait, 2.14
    else
        wait_in(deferred_, request);
}

void Map::admit(block::Request &request) noexcept {
    if (shut_down_)
        finished_.add(request, block::Status::target_error(ESHUTDOWN));
    else if (request.makes_stable() && dirty_.has_lost(request))
        finished_.add(request, block::Status::target_error(EIO));
    else if (live_ == nullptr || map(request, false) == Mapped::error)
        finished_.add(request, block::Status::target_error(EIO));
}

// 2.1
Map::Mapped Map::map(block::Request &request, bool was_held) noexcept {
    if (was_held)
        --queue_size_;
    const RangeLocks::Bar bar = range_locks_.any() ? range_locks_.bar(request) : RangeLocks::Bar::none;
    if (bar == RangeLocks::Bar::refuses)
        return Mapped::error;
    if (bar == RangeLocks::Bar::waits) {
        ++barred_size_;
        note_wait(request);
        barred_.push_back(request);
        return Mapped::held;
    }
    const PriorityGroup *group_before = live_->current_group();
    Path *path = live_->path_for(load_of(request), scheduler_.now());
    tell_group_change(group_before);
    if ((path != nullptr && live_->queue_io()) || (path == nullptr && live_->queueing())) {
        hold(request);
        if (!live_->queue_io() || live_->activation_required())
            kick();
        return Mapped::held;
    }
    if (path == nullptr) {
        if (gate_ != Gate::suspending || !noflush_)
            return Mapped::error;
        wait_in(pushed_back_, request);
        return Mapped::held;
    }
    if (!let_carry(*path)) {
        hold(request); // until that is done
        return Mapped::held;
    }
    send(request, *path);
    return Mapped::sent;
}

void Map::send(block::Request &request, Path &path) noexcept {
    if (tracks_caches() && request.operation == block::Operation::flush && shares_next_flush(request))
        return;
    const base::TimePoint now = scheduler_.now();
    request.started_ns = now.time_since_epoch().count();
    path.group->selector->start_io(path.index, load_of(request), now);
    request.sent_generation = path.device->generation();
    request.sent_number = log_.last_number();
    ++in_flight_;
    ++path.counters.requests;
    path.counters.bytes += load_of(request);
    if (request.changes_data())
        changes_.push_back(request.change);
    request.push(*this, &path);
    if (handler::Handler *handler = live_->handler(); handler == nullptr || handler->may_send(*path.device))
        path.device->submit(request);
    else // not EIO, which would put the disk in doubt
        finished_.add(request, block::Status::path_lost(ENOLINK));
}

void Map::note_wait(block::Request &request) noexcept {
    if (request.held_since_ns == 0)
        request.held_since_ns = scheduler_.now().time_since_epoch().count();
    observer_.request_waits();
}

void Map::hold(block::Request &request) noexcept {
    note_wait(request);
    held_.push_back(request);
    ++queue_size_;
}

void Map::wait_in(base::List<block::Request> &list, block::Request &request) noexcept {
    note_wait(request);
    list.push_back(request);
    ++gated_;
}

// 2.6
void Map::completed(block::Request &request, block::Status status) noexcept {
    Path &path = *static_cast<Path *>(request.popped());
    const std::uint64_t load = load_of(request);
    const base::TimePoint started{base::Duration(request.started_ns)};
    --in_flight_;
    path.counters.errors += status.is_path_error() ? 1U : 0U;
    if (request.changes_data())
        came_back(request, path, status);
    if (&request == running_flush_)
        status = flush_came_back(request, path, status);
    if (is_failed_flush(request, status))
        flush_failed(request, path);
    else if (options_.verify_eio && is_unverified(request, path, status)) {
        // it is not over
    } else if (status.ok())
        acknowledge(request, path);
    else if (!status.is_path_error() ||
             (request.operation == block::Operation::cache && status.error == EAGAIN))
        request.complete(status);
    else if (status.outcome == block::Outcome::retry && request.retries < status.retries && path.active)
        send_again(request, path, status.retry_delay(request.retries++));
    else
        requeue(request, status);
    // Last: in-flight numbers drop after the request may be queued again (2.6 step 7).
    path.group->selector->end_io(path.index, load, started, scheduler_.now());
    if (in_flight_ == 0)
        carrier_.go_on();
    if (gate_ != Gate::open || flushed_at_end_)
        go_on_soon();
}

void Map::acknowledge(block::Request &request, const Path &path) noexcept {
    if (tracks_caches() && (request.changes_data() || request.operation == block::Operation::flush)) {
        acknowledge_cached(request, path);
        return;
    }
    const bool lost = request.makes_stable() && dirty_.has_lost(request); // since it was sent (D10)
    request.complete(lost ? block::Status::target_error(EIO) : block::Status::success());
}

void Map::requeue(block::Request &request, block::Status status) noexcept {
    if (shut_down_) {
        request.complete(block::Status::target_error(ESHUTDOWN));
        return;
    }
    const bool had_path = live_->valid_paths() != 0;
    if (had_path) {
        Path &path = *static_cast<Path *>(request.popped());
        path.timed_out = status.error == ETIMEDOUT;
        fail(path);
    }
    const bool ends = !had_path || live_->compat().last_error_ends_request;
    if (never_again(request, status) || (ends && live_->valid_paths() == 0 && !waits_without_path())) {
        request.complete(block::Status::target_error(EIO));
        return;
    }
    if (request.origin()->abandoned()) {
        request.complete(block::Status::target_error(ESHUTDOWN));
        return;
    }
    request.retries = 0;
    const bool push_back =
        live_->compat().failed_requests_wait_suspend || (noflush_ && live_->valid_paths() == 0);
    if (gate_ == Gate::suspending && push_back) {
        wait_in(pushed_back_, request); // R18
    } else if (status.outcome == block::Outcome::path_delayed) {
        delay(request, shortage_delay);
    } else {
        hold(request);
        if (!live_->queue_io() || live_->activation_required())
            kick();
    }
}

void Map::send_again(block::Request &request, Path &path, base::Duration wait) noexcept {
    if (shut_down_ || request.origin()->abandoned())
        request.complete(block::Status::target_error(ESHUTDOWN));
    else if (wait == base::Duration::zero() && may_go(path))
        send(request, path);
    else
        delay(request, wait);
}

void Map::delay(block::Request &request, base::Duration wait) noexcept {
    const base::TimePoint due = scheduler_.now() + wait;
    note_wait(request);
    request.started_ns = due.time_since_epoch().count();
    delayed_.push_back(request);
    ++queue_size_;
    if (!delay_.active() || due < delay_.when())
        delay_.start_at(due);
}

// 2.4 and 2.5
void Map::run_worker() noexcept {
    if (queue_size_ == 0 || held_.empty())
        return;
    const PriorityGroup *group_before = live_->current_group();
    live_->choose_for_worker(scheduler_.now());
    tell_group_change(group_before);
    start_round_if_due();
    if (live_->worker_has_path() ? live_->queue_io() : live_->queueing())
        return;
    // What comes back to the queue while this goes on waits for the next run.
    base::List<block::Request> batch;
    batch.take_all(held_);
    while (!batch.empty()) {
        block::Request &request = batch.pop_front();
        if (map(request, true) == Mapped::error)
            finished_.add(request, block::Status::target_error(EIO));
    }
    if (gate_ == Gate::suspending)
        go_on_soon();
}

void Map::release_delayed() noexcept {
    base::TimePoint next = base::TimePoint::max();
    delayed_.for_each([this, &next](block::Request &request) {
        const base::TimePoint due{base::Duration(request.started_ns)};
        if (due > scheduler_.now()) {
            next = std::min(next, due);
            return;
        }
        request.unlink();
        Path &path = *static_cast<Path *>(request.popped());
        if (request.retries != 0 && path.active && may_go(path)) {
            --queue_size_;
            send(request, path);
        } else {
            request.retries = 0;
            held_.push_back(request);
        }
    });
    if (next != base::TimePoint::max())
        delay_.start_at(next);
    kick();
}

std::size_t Map::held() const noexcept { return queue_size_ + barred_size_ + gated_; }

base::Duration Map::held_oldest() const noexcept {
    std::int64_t oldest = 0;
    const auto look = [&oldest](const block::Request &request) {
        oldest = oldest == 0 ? request.held_since_ns : std::min(oldest, request.held_since_ns);
    };
    for (const auto *list : {&held_, &delayed_, &barred_, &pushed_back_, &deferred_})
        list->for_each(look);
    return oldest == 0 ? base::Duration::zero()
                       : scheduler_.now().time_since_epoch() - base::Duration(oldest);
}

void Map::drop_held(const block::Layer &origin) noexcept {
    const auto drop_from = [this, &origin](base::List<block::Request> &list, std::size_t &count) {
        list.for_each([this, &origin, &count](block::Request &request) {
            if (request.origin() != &origin)
                return;
            request.unlink();
            --count;
            finished_.add(request, block::Status::target_error(ESHUTDOWN));
        });
    };
    drop_from(held_, queue_size_);
    drop_from(delayed_, queue_size_);
    drop_from(barred_, barred_size_);
    drop_from(pushed_back_, gated_);
    drop_from(deferred_, gated_);
    lock_what_paths_have(origin);
    if (gate_ == Gate::suspending)
        go_on_soon();
}

void Map::end_all(base::List<block::Request> &list, block::Status status) noexcept {
    while (!list.empty())
        finished_.add(list.pop_front(), status);
}

void Map::shut_down() noexcept {
    shut_down_ = true;
    no_path_timer_.cancel();
    delay_.cancel();
    const block::Status status = block::Status::target_error(ESHUTDOWN);
    for (auto *list : {&held_, &delayed_, &barred_, &pushed_back_, &deferred_})
        end_all(*list, status);
    queue_size_ = barred_size_ = gated_ = 0;
    for (; !next_flushes_.empty(); --in_flight_)
        finished_.add(next_flushes_.pop_front(), status);
    for (auto *tickets : {&operations_, &probes_})
        while (!tickets->empty())
            end(tickets->pop_front(), ESHUTDOWN);
    gate_ = Gate::open;
    if (activation_)
        activation_->stop_waiting();
    for (const Table *table : {live_.get(), inactive_.get()})
        if (table != nullptr && table->handler() != nullptr)
            table->handler()->stop();
}

std::vector<PathStatistics> Map::statistics() const {
    std::vector<PathStatistics> all;
    const handler::Handler *handler = live_->handler();
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            all.push_back({path->name, group->number, path->counters, why_failed(*path),
                           handler == nullptr ? std::string_view() : handler->state_of(*path->device)});
    return all;
}

} // namespace multipath
