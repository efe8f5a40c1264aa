// SPDX-License-Identifier: BSD-3-Clause
// How requests move. Numbers in comments are sections of the semantics reference.
#include "multipath/map.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace multipath {

namespace {

using namespace std::chrono_literals;
constexpr auto shortage_delay = 100ms; // 4.3 PATH_DELAY
constexpr int retries_on_one_path = 5; // 4.3 RETRY

bool changes_data(block::Operation operation) noexcept {
    return operation == block::Operation::write || operation == block::Operation::trim ||
           operation == block::Operation::write_zeroes;
}

} // namespace

Map::Map(base::Scheduler &scheduler, std::string name, MapOptions options, Observer &observer)
    : scheduler_(scheduler)
    , name_(std::move(name))
    , options_(options)
    , observer_(observer)
    , finished_(scheduler)
    , dirty_(scheduler, finished_)
    , worker_(base::Delegate<>::to<&Map::run_worker>(*this))
    , delay_(scheduler, base::Delegate<>::to<&Map::release_delayed>(*this))
    , no_path_timer_(scheduler, base::Delegate<>::to<&Map::give_up_waiting>(*this)) {}

Map::~Map() { assert(queue_size_ == 0 && in_flight() == 0 && finished_.empty()); }

void Map::load(std::unique_ptr<Table> table) {
    live_ = std::move(table);
    watch_for_no_path();
}

void Map::submit(block::Request &request) noexcept {
    if (shut_down_)
        finished_.add(request, block::Status::target_error(ESHUTDOWN));
    else if (options_.independent_caches && request.operation == block::Operation::flush && dirty_.any())
        dirty_.flush(request);
    else if (options_.independent_caches && (request.fua || request.operation == block::Operation::flush) &&
             dirty_.has_lost(request))
        finished_.add(request, block::Status::target_error(EIO));
    else if (map(request, false) == Mapped::error)
        finished_.add(request, block::Status::target_error(EIO));
}

// 2.1
Map::Mapped Map::map(block::Request &request, bool was_held) noexcept {
    const PriorityGroup *group_before = live_->current_group();
    Path *path = live_->path_for(request.length, scheduler_.now());
    tell_group_change(group_before);
    if (was_held)
        --queue_size_;
    if ((path != nullptr && live_->queue_io()) || (path == nullptr && live_->queueing())) {
        hold(request);
        if (!live_->queue_io())
            kick();
        return Mapped::held;
    }
    if (path == nullptr)
        return Mapped::error;
    send(request, *path);
    return Mapped::sent;
}

void Map::send(block::Request &request, Path &path) noexcept {
    const base::TimePoint now = scheduler_.now();
    request.started_ns = now.time_since_epoch().count();
    path.group->selector->start_io(path.index, request.length, now);
    request.sent_generation = path.device->generation();
    ++in_flight_;
    request.push(*this, &path);
    path.device->submit(request);
}

void Map::hold(block::Request &request) noexcept {
    if (request.held_since_ns == 0)
        request.held_since_ns = scheduler_.now().time_since_epoch().count();
    held_.push_back(request);
    ++queue_size_;
}

// 2.6
void Map::completed(block::Request &request, block::Status status) noexcept {
    Path &path = *static_cast<Path *>(request.popped());
    const std::uint64_t length = request.length;
    const base::TimePoint started{base::Duration(request.started_ns)};
    --in_flight_;
    if (status.ok())
        acknowledge(request, path);
    else if (!status.is_path_error() ||
             (request.operation == block::Operation::cache && status.error == EAGAIN))
        finish(request, status);
    else if (status.outcome == block::Outcome::retry && request.retries < retries_on_one_path &&
             path.active) {
        ++request.retries;
        send(request, path);
    } else
        requeue(request, status);
    // Last: in-flight numbers drop after the request may be queued again (2.6 step 7).
    path.group->selector->end_io(path.index, length, started, scheduler_.now());
}

void Map::acknowledge(block::Request &request, const Path &path) noexcept {
    if (options_.independent_caches && changes_data(request.operation)) {
        if (request.fua) {
            // Its own data is stable; what other servers acknowledged must be before this answers (H1).
            dirty_.flush(request, path.device);
            return;
        }
        dirty_.wrote(*path.device, request.sent_generation);
    }
    finish(request, block::Status::success());
}

void Map::requeue(block::Request &request, block::Status status) noexcept {
    if (shut_down_) {
        finish(request, block::Status::target_error(ESHUTDOWN));
        return;
    }
    Path &path = *static_cast<Path *>(request.popped());
    if (live_->valid_paths() == 0) {
        if (!live_->queueing()) {
            finish(request, block::Status::target_error(EIO));
            return;
        }
    } else {
        fail(path);
    }
    if (request.origin()->abandoned()) {
        finish(request, block::Status::target_error(ESHUTDOWN));
        return;
    }
    request.retries = 0;
    if (status.outcome == block::Outcome::path_delayed) {
        if (request.held_since_ns == 0)
            request.held_since_ns = scheduler_.now().time_since_epoch().count();
        request.started_ns = scheduler_.now().time_since_epoch().count();
        delayed_.push_back(request);
        ++queue_size_;
        if (!delay_.active())
            delay_.start_in(shortage_delay);
        return;
    }
    hold(request);
    if (!live_->queue_io())
        kick();
}

void Map::finish(block::Request &request, block::Status status) noexcept { request.complete(status); }

// 2.4 and 2.5
void Map::run_worker() noexcept {
    if (queue_size_ == 0 || held_.empty())
        return;
    const PriorityGroup *group_before = live_->current_group();
    live_->choose_if_none(0, scheduler_.now());
    tell_group_change(group_before);
    const bool has_path = live_->current_path() != nullptr;
    if (has_path ? live_->queue_io() : live_->queueing())
        return;
    // What comes back to the queue while this goes on waits for the next run.
    base::List<block::Request> batch;
    batch.take_all(held_);
    while (!batch.empty()) {
        block::Request &request = batch.pop_front();
        if (map(request, true) == Mapped::error)
            finished_.add(request, block::Status::target_error(EIO));
    }
}

void Map::release_delayed() noexcept {
    // Each waits its own time; they stand in the order of their shortages.
    while (!delayed_.empty()) {
        const base::TimePoint due{base::Duration(delayed_.front().started_ns) + shortage_delay};
        if (due > scheduler_.now()) {
            delay_.start_at(due);
            break;
        }
        held_.push_back(delayed_.pop_front());
    }
    kick();
}

base::Duration Map::held_oldest() const noexcept {
    std::int64_t oldest = 0;
    const auto look = [&oldest](const block::Request &request) {
        oldest = oldest == 0 ? request.held_since_ns : std::min(oldest, request.held_since_ns);
    };
    held_.for_each(look);
    delayed_.for_each(look);
    return oldest == 0 ? base::Duration::zero()
                       : scheduler_.now().time_since_epoch() - base::Duration(oldest);
}

void Map::drop_held(const block::Layer &origin) noexcept {
    const auto drop = [this, &origin](block::Request &request) {
        if (request.origin() != &origin)
            return;
        request.unlink();
        --queue_size_;
        finished_.add(request, block::Status::target_error(ESHUTDOWN));
    };
    held_.for_each(drop);
    delayed_.for_each(drop);
}

void Map::shut_down() noexcept {
    shut_down_ = true;
    no_path_timer_.cancel();
    delay_.cancel();
    held_.take_all(delayed_);
    while (!held_.empty()) {
        --queue_size_;
        finished_.add(held_.pop_front(), block::Status::target_error(ESHUTDOWN));
    }
}

// 2.7
void Map::fail(Path &path) noexcept {
    if (!live_->fail(path))
        return;
    tell("PATH_FAILED",
         fmt::format("path={} nr_valid={} seq={}", path.name, live_->valid_paths(), ++path_event_sequence_));
    watch_for_no_path();
}

// 2.8
void Map::reinstate(Path &path) noexcept {
    const bool was_last = live_->valid_paths() == 0;
    if (!live_->reinstate(path))
        return;
    no_path_timer_.cancel();
    if (queueing_timed_out_) {
        queueing_timed_out_ = false;
        set_queueing(true);
    }
    if (was_last && queue_size_ != 0)
        kick();
    tell("PATH_REINSTATED",
         fmt::format("path={} nr_valid={} seq={}", path.name, live_->valid_paths(), ++path_event_sequence_));
}

void Map::path_answers(const block::Device &device) noexcept {
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (path->device == &device && !path->held_down)
                reinstate(*path);
}

void Map::path_lost(const block::Device &device) noexcept {
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (path->device == &device)
                fail(*path);
}

void Map::bar(const block::Device &device, bool barred) noexcept {
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (path->device == &device)
                path->barred = barred;
    if (barred)
        path_lost(device);
}

bool Map::wants_back(const block::Device &device) const noexcept {
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (path->device == &device && !path->active && !path->held_down)
                return true;
    return false;
}

// 2.11
void Map::set_queueing(bool on) noexcept {
    if (live_->queueing() != on)
        tell("QUEUEING", on ? "on" : "off", false);
    live_->set_queueing(on);
    if (!on && queue_size_ != 0)
        kick();
    watch_for_no_path();
}

// R33
void Map::watch_for_no_path() noexcept {
    if (options_.no_path_timeout.count() == 0)
        return;
    if (live_->valid_paths() != 0 || !live_->queueing() || shut_down_)
        no_path_timer_.cancel();
    else if (!no_path_timer_.active())
        no_path_timer_.start_in(options_.no_path_timeout);
}

void Map::give_up_waiting() noexcept {
    observer_.warning(fmt::format("no path for {} ms: failing requests", options_.no_path_timeout.count()));
    tell("NO_PATH_TIMEOUT", {}, false);
    set_queueing(false);
    queueing_timed_out_ = true;
}

void Map::tell_group_change(const PriorityGroup *before) noexcept {
    const PriorityGroup *group = live_->current_group();
    if (group != before && group != nullptr)
        tell("PG_CURRENT", fmt::format("pg={}", group->number), false);
}

void Map::tell(std::string_view action, std::string details, bool counted) noexcept {
    if (counted)
        ++event_number_;
    observer_.event(Event{action, std::move(details), event_number_, counted});
}

std::string Map::info_text() const { return live_->info_text(queue_size_); }
std::string Map::table_text() const { return live_->table_text(); }

std::vector<std::string> Map::dependencies() const {
    std::vector<std::string> names;
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (std::ranges::find(names, path->name) == names.end())
                names.push_back(path->name);
    return names;
}

} // namespace multipath
