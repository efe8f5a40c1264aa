// SPDX-License-Identifier: BSD-3-Clause
#include "paths_model.hpp"

#include <algorithm>
#include <utility>

namespace sim {

void PathsModel::start_table(const multipath::Map &map, const TableSpec &text,
                             const std::function<bool(unsigned device)> &usable) {
    map_ = &map;
    spec = text;
    groups.clear();
    for (const GroupSpec &group : spec.groups) {
        const auto index = static_cast<unsigned>(groups.size());
        Group &made = groups.emplace_back();
        for (const unsigned device : group.paths)
            made.paths.push_back({.device = device, .group = index, .active = usable(device)});
    }
    current.reset();
    next.reset();
    if (spec.initial != 0 && spec.initial <= groups.size())
        next = spec.initial - 1;
    queueing = saved_queueing = spec.queueing;
    queue_io = true;
    activation_required = delays_round_ = timed_out_ = held_ = forget_later_ = false;
    next_later_.reset();
    rounds = 0;
}

void PathsModel::shut_down() noexcept {
    shut_down_ = true;
    gives_up.reset();
    if (round_due)
        for (Group &group : groups)
            for (Entry &entry : group.paths)
                if (std::exchange(entry.waits_for_delay, false))
                    entry.activating = false;
    round_due.reset();
}

void PathsModel::catch_up() {
    const multipath::Table *table = map_ == nullptr ? nullptr : map_->live_table();
    if (table == nullptr)
        return;
    if (valid_paths() == 0) { // a choice without paths forgets the group (2.2 step 6, R5)
        if (table->current_group() == nullptr)
            current.reset();
        queue_io = queue_io && table->queue_io();
    }
    if (activation_required && !table->activation_required())
        begin_round();
}

unsigned PathsModel::valid_paths() const noexcept {
    unsigned count = 0;
    for (const Group &group : groups)
        for (const Entry &entry : group.paths)
            count += entry.active ? 1U : 0U;
    return count;
}

unsigned PathsModel::shown_group() const noexcept {
    if (next)
        return *next + 1;
    if (current)
        return *current + 1;
    return groups.empty() && kernel() ? 0 : 1;
}

PathsModel::Entry *PathsModel::find(unsigned group, unsigned device) {
    if (group < groups.size())
        for (Entry &entry : groups[group].paths)
            if (entry.device == device)
                return &entry;
    return nullptr;
}

PathsModel::Entry *PathsModel::other_than(unsigned group, unsigned device) {
    const auto find_in = [device](Group &in) {
        const auto found = std::ranges::find_if(
            in.paths, [device](const Entry &entry) { return entry.active && entry.device != device; });
        return found == in.paths.end() ? nullptr : &*found;
    };
    if (Entry *entry = find_in(groups[group]))
        return entry;
    if (spec.handler || options_.independent_caches)
        return nullptr;
    for (Group &each : groups)
        if (Entry *entry = each.bypassed ? nullptr : find_in(each))
            return entry;
    return nullptr;
}

// 2.7
void PathsModel::fail(Entry &entry) {
    if (!entry.active)
        return;
    entry.active = false;
    ++entry.fail_count;
    story_.expect(fmt::format("PATH_FAILED path={} nr_valid={} seq={}", device_name(entry.device),
                              valid_paths(), story_.next_path_event()));
    watch_for_no_path();
}

// 2.8
void PathsModel::reinstate(Entry &entry) {
    entry.held_down = false;
    if (entry.active)
        return;
    entry.active = true;
    gives_up.reset();
    if (std::exchange(timed_out_, false))
        set_queueing(true);
    story_.expect(fmt::format("PATH_REINSTATED path={} nr_valid={} seq={}", device_name(entry.device),
                              valid_paths(), story_.next_path_event()));
    if (spec.handler && current == entry.group && !entry.activating) { // R11
        entry.activating = true;
        to_be_asked_.push_back(&entry);
    }
}

// 2.9
void PathsModel::bypass(unsigned group, bool bypassed) {
    groups[group].bypassed = bypassed;
    forget_group();
    story_.expect(fmt::format("{} pg={}", bypassed ? "PG_DISABLED" : "PG_ENABLED", group + 1));
}

// 2.10
void PathsModel::switch_to(unsigned group) {
    for (Group &each : groups)
        each.bypassed = false;
    forget_group();
    (held_ ? next_later_ : next) = group;
    story_.expect(fmt::format("PG_SWITCH pg={}", group + 1));
}

void PathsModel::forget_group() noexcept {
    if (held_)
        forget_later_ = true;
    else
        current.reset();
}

// R34, R41
void PathsModel::hold_group(bool held) {
    held_ = held;
    if (held)
        return;
    if (std::exchange(forget_later_, false))
        current.reset();
    if (next_later_)
        next = std::exchange(next_later_, std::nullopt);
}

bool PathsModel::has_path(unsigned group) const noexcept {
    for (const Entry &entry : groups[group].paths)
        if (entry.active)
            return true;
    return false;
}

// 2.2
std::optional<unsigned> PathsModel::choice() const noexcept {
    for (const auto &ordered : {next, current})
        if (ordered && has_path(*ordered))
            return ordered;
    for (const bool bypassed : {false, true})
        for (unsigned group = 0; group < groups.size(); ++group)
            if (groups[group].bypassed == bypassed && has_path(group))
                return group;
    return std::nullopt;
}

void PathsModel::group_chosen(unsigned number) {
    const auto chosen = choice();
    if (chosen != number - 1) {
        verdict_.fail("group {} was chosen instead of {}", number, chosen ? *chosen + 1 : 0);
        return;
    }
    if (chosen == current)
        verdict_.fail("group {} was chosen again", number);
    if (chosen != next && groups[*chosen].bypassed)
        delays_round_ = true; // R6
    current = chosen;
    next.reset();
    queue_io = activation_required = spec.handler;
    rounds = 0;
}

// 2.11
void PathsModel::set_queueing(bool on) {
    if (queueing != on)
        story_.expect(on ? "QUEUEING on" : "QUEUEING off");
    queueing = saved_queueing = on;
    watch_for_no_path();
}

void PathsModel::message_queueing(bool on) {
    timed_out_ = false;
    set_queueing(on);
}

void PathsModel::suspend_queueing() noexcept {
    queueing = false;
    gives_up.reset();
}

// R33
void PathsModel::watch_for_no_path() {
    if (options_.no_path_timeout.count() == 0)
        return;
    if (valid_paths() != 0 || !queueing || shut_down_)
        gives_up.reset();
    else if (!gives_up)
        gives_up = scheduler_.now() + options_.no_path_timeout;
}

void PathsModel::no_path_timeout() {
    if (gives_up != scheduler_.now())
        verdict_.fail("the no-path timeout came at the wrong time");
    gives_up.reset();
    set_queueing(false);
    timed_out_ = !kernel();
}

} // namespace sim
