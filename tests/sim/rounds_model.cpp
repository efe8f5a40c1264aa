// SPDX-License-Identifier: BSD-3-Clause
// How paths are activated: semantics reference 2.12, 2.13, R6 to R11.
#include "paths_model.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using namespace std::chrono_literals;

unsigned PathsModel::activations() const noexcept {
    unsigned count = 0;
    for (const Group &group : groups)
        for (const Entry &entry : group.paths)
            count += entry.activating ? 1U : 0U;
    return count;
}

void PathsModel::begin_round() {
    if (activations() != 0)
        verdict_.fail("a round of activations began while one runs (I3)");
    ++rounds;
    activation_required = false;
    const bool delayed = std::exchange(delays_round_, false) && spec.delay_msecs != 0;
    if (!current)
        return;
    for (Entry &entry : groups[*current].paths) {
        if (!entry.active)
            continue;
        entry.activating = true;
        entry.waits_for_delay = delayed;
        if (!delayed)
            to_be_asked_.push_back(&entry);
    }
    if (delayed && activations() != 0)
        round_due =
            scheduler_.now() + (spec.delay_msecs < 0 ? 2000ms : std::chrono::milliseconds(spec.delay_msecs));
}

void PathsModel::end_delay(bool go_on) {
    delay_is_unsure_ = false;
    round_due.reset();
    for (Group &group : groups) {
        for (Entry &entry : group.paths) {
            if (!std::exchange(entry.waits_for_delay, false))
                continue;
            if (entry.active)
                to_be_asked_.push_back(&entry);
            else
                activation_ends(entry, handler::Result::offlined, false, false);
        }
    }
    if (activations() != 0)
        return;
    // Nobody was asked, so nobody will tell of the end. What is due then may find no path, and is not seen.
    if (activation_required && go_on && (!current || !has_path(*current)))
        begin_round();
    if (!activation_required)
        queue_io = false; // R10
}

bool PathsModel::delay_over(std::string_view line, bool go_on) {
    if (round_due != scheduler_.now() || !line.starts_with("PG_INIT result=DEV_OFFLINED"))
        return false;
    end_delay(go_on);
    return true;
}

PathsModel::Entry *PathsModel::activation_asked(unsigned device) {
    if (std::exchange(in_doubt_, nullptr) != nullptr)
        gets_another(doubt_delays_);
    catch_up();
    if (to_be_asked_.empty() && (round_due == scheduler_.now() || delay_is_unsure_))
        end_delay(false);
    const auto asked = std::ranges::find(to_be_asked_, device, &Entry::device);
    if (asked == to_be_asked_.end()) {
        verdict_.fail("{} was activated without a reason", device_name(device));
        return nullptr;
    }
    Entry *entry = *asked;
    to_be_asked_.erase(asked);
    return entry;
}

void PathsModel::activation_ends(Entry &entry, handler::Result result, bool was_current,
                                 std::optional<bool> quiet) {
    using handler::Result;
    catch_up();
    entry.activating = false;
    story_.expect(
        fmt::format("PG_INIT result={} path={}", handler::name_of(result), device_name(entry.device)));
    const bool again = result == Result::retry || result == Result::immediate_retry ||
                       result == Result::resource_unavailable;
    const bool delayed = result == Result::retry; // R8
    if (again && rounds <= spec.retries && !quiet) {
        in_doubt_ = &entry;
        doubt_delays_ = delayed;
        return;
    }
    if (again && rounds <= spec.retries && !*quiet) {
        gets_another(delayed);
    } else if (result == Result::temporarily_busy) {
        current.reset(); // not held back by a probe (R41)
        groups[entry.group].bypassed = true;
        story_.expect(fmt::format("PG_DISABLED pg={}", entry.group + 1));
    } else if (result != Result::ok) {
        fail(entry);
        if (was_current && !again) // R9
            current.reset();
    }
    if ((again || result == Result::ok) && !activation_required)
        groups[entry.group].bypassed = false;
}

void PathsModel::gets_another(bool delayed) noexcept {
    activation_required = true;
    delays_round_ |= delayed;
}

bool PathsModel::gets_no_other() {
    Entry *entry = std::exchange(in_doubt_, nullptr);
    if (entry == nullptr)
        return false;
    fail(*entry);
    if (!activation_required)
        groups[entry->group].bypassed = false;
    return true;
}

void PathsModel::activation_ended(bool go_on) {
    // A path that has failed meanwhile shows nothing when it gets none.
    if (const Entry *entry = std::exchange(in_doubt_, nullptr);
        entry != nullptr && (entry->active || map_->live_table()->activation_required() ||
                             base::split_words(map_->info_text()).at(2) != std::to_string(rounds))) {
        gets_another(doubt_delays_);
        delay_is_unsure_ = !entry->active;
    }
    catch_up();
    if (activations() != 0)
        return;
    if (!activation_required)
        queue_io = false; // R10
    else if (go_on)
        verdict_.fail("no further round of activations began");
}

void PathsModel::expect_all_asked() {
    if (!to_be_asked_.empty())
        verdict_.fail("{} was not activated", device_name(to_be_asked_.front()->device));
}

} // namespace sim
