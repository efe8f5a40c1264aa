// SPDX-License-Identifier: BSD-3-Clause
// What becomes of paths and groups, and what is told of it. Numbers in comments are sections of the semantics
// reference.
#include "multipath/map.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace multipath {

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
    carrier_.release(*path.device);
    meet(*path.device);
    if (queueing_timed_out_) {
        queueing_timed_out_ = false;
        set_queueing(true);
    }
    if (was_last && queue_size_ != 0)
        kick();
    tell("PATH_REINSTATED",
         fmt::format("path={} nr_valid={} seq={}", path.name, live_->valid_paths(), ++path_event_sequence_));
    // R11: or requests would go to a path that nobody has activated.
    if (activation_ && live_->current_group() == path.group)
        activation_->activate(path);
}

void Map::path_reached(block::Device &device) {
    for (const Table *table : {live_.get(), inactive_.get()})
        if (table != nullptr && table->handler() != nullptr && table->uses(device))
            table->handler()->reached(device);
}

std::string Map::objection(block::Device &device) const {
    return live_ && live_->handler() != nullptr ? live_->handler()->objection(device) : std::string();
}

void Map::path_answers(const block::Device &device) noexcept {
    for_each_entry(device, [this](Path &path) {
        if (!path.held_down && !path.barred && !carrier_.holds_back(*path.device))
            reinstate(path);
    });
}

void Map::path_lost(const block::Device &device) noexcept {
    for_each_entry(device, [this](Path &path) {
        if (!path.barred && live_->compat().only_requests_fail_paths)
            return;
        fail(path);
    });
}

void Map::bar(const block::Device &device, bool barred) noexcept {
    for_each_entry(device, [barred](Path &path) { path.barred = barred; });
    if (barred)
        path_lost(device);
}

bool Map::wants_back(const block::Device &device) const noexcept {
    if (!live_ || carrier_.holds_back(device))
        return false;
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (path->device == &device && !path->active && !path->held_down)
                return true;
    return false;
}

bool Map::uses(const block::Device &device) const noexcept {
    return (live_ && live_->uses(device)) || (inactive_ && inactive_->uses(device));
}

// 2.12
void Map::start_round_if_due() noexcept {
    if (!activation_ || activation_->running() || !live_->activation_required())
        return;
    const base::Duration delay = live_->begin_round();
    if (live_->current_group() != nullptr)
        activation_->begin_round(*live_->current_group(), delay);
}

// 2.13
void Map::path_activated(Path &path, handler::Result result) noexcept {
    tell("PG_INIT", fmt::format("result={} path={}", handler::name_of(result), path.name), false);
    const bool was_current = live_->current_path() == &path;
    // R28: a suspend that only waits for this wants no new round.
    const bool no_new_round = shut_down_ || (gate_ != Gate::open && queue_size_ == 0);
    bool is_error = true;
    switch (result) {
    case handler::Result::ok:
        is_error = false;
        break;
    case handler::Result::temporarily_busy:
        path.group->bypassed = true;
        live_->drop_current();
        tell("PG_DISABLED", fmt::format("pg={}", path.group->number));
        break;
    case handler::Result::retry:
    case handler::Result::immediate_retry:
    case handler::Result::resource_unavailable:
        is_error = false;
        if (no_new_round || !live_->may_retry_activation()) {
            fail(path);
            break;
        }
        live_->require_activation();
        if (result == handler::Result::retry)
            live_->delay_next_round();
        break;
    default:
        fail(path);
    }
    if (is_error) {
        observer_.warning(
            fmt::format("Could not failover device {}. Error {}.", path.name, static_cast<int>(result)));
        if (was_current)
            live_->drop_current();
    } else if (!live_->activation_required()) {
        live_->enable(*path.group);
    }
}

void Map::round_over() noexcept {
    if (gate_ == Gate::open || queue_size_ != 0)
        start_round_if_due();
    if (!activation_->running()) {
        // R10: whatever the result. Without a pending requirement, that is; a path may have been refused one.
        if (!live_->activation_required())
            live_->group_is_ready();
        kick();
    }
    go_on_soon();
}

// 2.16, R35
block::Device *Map::device_for_passing(int &error) noexcept {
    if (!live_ || gate_ != Gate::open || shut_down_) {
        error = EAGAIN;
        return nullptr;
    }
    const PriorityGroup *group_before = live_->current_group();
    Path *path = live_->path_for_passing(scheduler_.now());
    tell_group_change(group_before);
    if (path == nullptr) {
        error = live_->queueing() ? EAGAIN : EIO;
        return nullptr;
    }
    if (live_->queue_io()) {
        start_round_if_due();
        error = EAGAIN;
        return nullptr;
    }
    return path->device;
}

// R34
void Map::probe(Ticket &ticket) {
    ticket.kind_ = Ticket::Kind::probe;
    probes_.push_back(ticket);
    if (prober_.in_flight() != 0)
        return; // shares the result
    if (live_ && gate_ == Gate::open && live_->current_group() != nullptr && !live_->queue_io()) {
        live_->hold_group(true);
        prober_.start(*live_->current_group());
    }
    if (prober_.in_flight() == 0)
        probe_over();
}

void Map::path_probed(Path &path, block::Status status) noexcept {
    if (status.is_path_error())
        fail(path);
}

void Map::probe_over() noexcept {
    if (live_)
        live_->hold_group(false);
    const bool any_path = live_ && live_->valid_paths() != 0;
    while (!probes_.empty())
        end(probes_.pop_front(), any_path ? 0 : ENOTCONN);
    if (gate_ == Gate::suspending)
        go_on_soon();
}

bool Map::waits_without_path() const noexcept {
    return live_->queueing() || (gate_ == Gate::suspending && noflush_);
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
    if (options_.no_path_timeout.count() == 0 || !live_)
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
    queueing_timed_out_ = !live_->compat().timeout_ends_queueing;
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
std::string Map::inactive_table_text() const { return inactive_->table_text(); }

std::vector<std::string> Map::dependencies() const {
    std::vector<std::string> names;
    for (const auto &group : live_->groups())
        for (const auto &path : group->paths)
            if (std::ranges::find(names, path->name) == names.end())
                names.push_back(path->name);
    return names;
}

} // namespace multipath
