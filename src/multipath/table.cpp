// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/table.hpp"

#include "base/error.hpp"

#include <utility>

namespace multipath {

namespace {
constexpr std::chrono::milliseconds default_round_delay{2000}; // R8
}

std::string Table::attach_handler(base::Scheduler &scheduler, handler::Listener &listener) {
    if (handler_type_ == nullptr)
        return {};
    handler_ = handler_type_->create(scheduler, listener);
    if (!handler_)
        return {};
    handler_->set_parameters(handler_words_);
    for (const auto &group : groups_) {
        for (const auto &path : group->paths) {
            if (handler_->attach(*path->device)) {
                if (const std::string why = handler_->objection(*path->device); !why.empty())
                    throw base::Error(ENODEV, "error attaching hardware handler: path {}: {}", path->name,
                                      why);
                continue;
            }
            if (compat_.handler_must_attach && !queue_mode_bio_)
                throw base::Error(ENODEV, "error attaching hardware handler");
            std::string warning = fmt::format("path {} knows no hardware handler {}: going on without it",
                                              path->name, handler_name_);
            handler_.reset();
            handler_name_.clear();
            return warning;
        }
    }
    return {};
}

void Table::refresh(DeviceSet &devices) {
    for (const auto &group : groups_) {
        for (const auto &path : group->paths) {
            const PathDevice found = devices.find(path->name);
            path->barred = found.barred;
            const bool usable = !found.barred && (found.usable || compat_.only_requests_fail_paths);
            if (usable == path->active)
                continue;
            path->active = usable;
            if (usable)
                group->selector->reinstate_path(path->index);
            else
                group->selector->fail_path(path->index);
        }
    }
    count_valid_paths();
}

bool Table::uses(const block::Device &device) const noexcept {
    for (const auto &group : groups_)
        for (const auto &path : group->paths)
            if (path->device == &device)
                return true;
    return false;
}

void Table::count_valid_paths() noexcept {
    valid_paths_ = 0;
    for (const auto &group : groups_)
        for (const auto &path : group->paths)
            valid_paths_ += path->active ? 1U : 0U;
}

Path *Table::path_for(std::uint64_t length, base::TimePoint now) noexcept {
    if (compat_.asks_selector_each_time)
        return current_path_ != nullptr && queue_io_ ? current_path_ : choose(length, now);
    // While the group waits for its initialisation the counter stands still.
    if (current_path_ == nullptr || (!queue_io_ && repeat_count_ != 0 && --repeat_count_ == 0))
        choose(length, now);
    return current_path_;
}

void Table::choose_for_worker(base::TimePoint now) noexcept {
    if (current_path_ == nullptr && (!compat_.asks_selector_each_time || valid_paths_ == 0 || queue_io_))
        choose(0, now);
}

Path *Table::path_for_passing(base::TimePoint now) noexcept {
    const bool choose_anew = current_path_ == nullptr || (compat_.asks_selector_each_time && !queue_io_);
    return choose_anew ? choose(0, now) : current_path_;
}

Path *Table::choose(std::uint64_t length, base::TimePoint now) noexcept {
    if (valid_paths_ != 0) {
        if (next_group_ != nullptr) {
            PriorityGroup &wanted = *std::exchange(next_group_, nullptr);
            if (Path *path = choose_in(wanted, length, now))
                return path;
        }
        if (current_group_ != nullptr)
            if (Path *path = choose_in(*current_group_, length, now))
                return path;
        for (const bool bypassed : {false, true}) {
            for (const auto &group : groups_) {
                if (group->bypassed != bypassed)
                    continue;
                if (Path *path = choose_in(*group, length, now)) {
                    delay_round_ |= bypassed; // R6: or busy groups would be tried without a pause
                    return path;
                }
            }
        }
    } else {
        queue_io_ = false; // R5: nothing is left that could be initialised
    }
    drop_current();
    return nullptr;
}

Path *Table::choose_in(PriorityGroup &group, std::uint64_t length, base::TimePoint now) noexcept {
    const auto choice = group.selector->select_path(length, now);
    if (!choice)
        return nullptr;
    Path *path = group.paths[choice->path].get();
    repeat_count_ = choice->repeat_count;
    current_path_ = path;
    if (current_group_ != &group) {
        current_group_ = &group;
        queue_io_ = activation_required_ = handler_ != nullptr;
        rounds_ = 0;
    }
    return path;
}

bool Table::fail(Path &path) noexcept {
    if (!path.active)
        return false;
    path.group->selector->fail_path(path.index);
    path.active = false;
    ++path.fail_count;
    --valid_paths_;
    if (current_path_ == &path)
        current_path_ = nullptr;
    return true;
}

bool Table::reinstate(Path &path) noexcept {
    path.held_down = false;
    if (path.active)
        return false;
    path.group->selector->reinstate_path(path.index);
    path.active = true;
    if (valid_paths_++ == 0 || !compat_.keeps_rotation_on_reinstate)
        current_path_ = nullptr; // R12: the rotation starts again (Q10)
    return true;
}

void Table::drop_current() noexcept {
    current_path_ = nullptr;
    current_group_ = nullptr;
}

void Table::forget_group_unless_held() noexcept {
    if (group_held_)
        group_to_forget_ = true;
    else
        drop_current();
}

void Table::set_bypassed(PriorityGroup &group, bool bypassed) noexcept {
    group.bypassed = bypassed;
    forget_group_unless_held();
}

void Table::switch_to(PriorityGroup &group) noexcept {
    for (const auto &each : groups_)
        each->bypassed = false;
    forget_group_unless_held();
    (group_held_ ? next_group_after_hold_ : next_group_) = &group;
}

void Table::hold_group(bool held) noexcept {
    group_held_ = held;
    if (held)
        return;
    if (std::exchange(group_to_forget_, false))
        drop_current();
    if (next_group_after_hold_ != nullptr)
        next_group_ = std::exchange(next_group_after_hold_, nullptr);
}

std::chrono::milliseconds Table::begin_round() noexcept {
    ++rounds_;
    activation_required_ = false;
    if (!std::exchange(delay_round_, false))
        return std::chrono::milliseconds{0};
    return pg_init_delay_msecs_ >= 0 ? std::chrono::milliseconds(pg_init_delay_msecs_) : default_round_delay;
}

} // namespace multipath
