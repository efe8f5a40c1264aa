// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/table.hpp"

#include <utility>

namespace multipath {

Path *Table::path_for(std::uint64_t length, base::TimePoint now) noexcept {
    // While the group waits for its initialisation the counter stands still.
    if (current_path_ == nullptr || (!queue_io_ && repeat_count_ != 0 && --repeat_count_ == 0))
        choose(length, now);
    return current_path_;
}

void Table::choose_if_none(std::uint64_t length, base::TimePoint now) noexcept {
    if (current_path_ == nullptr)
        choose(length, now);
}

void Table::choose(std::uint64_t length, base::TimePoint now) noexcept {
    if (valid_paths_ != 0) {
        if (next_group_ != nullptr) {
            PriorityGroup &wanted = *std::exchange(next_group_, nullptr);
            if (choose_in(wanted, length, now))
                return;
        }
        if (current_group_ != nullptr && choose_in(*current_group_, length, now))
            return;
        for (const bool bypassed : {false, true})
            for (const auto &group : groups_)
                if (group->bypassed == bypassed && choose_in(*group, length, now))
                    return;
    } else {
        queue_io_ = false; // R5: nothing is left that could be initialised
    }
    current_path_ = nullptr;
    current_group_ = nullptr;
}

bool Table::choose_in(PriorityGroup &group, std::uint64_t length, base::TimePoint now) noexcept {
    const auto choice = group.selector->select_path(length, now);
    if (!choice)
        return false;
    repeat_count_ = choice->repeat_count;
    current_path_ = group.paths[choice->path].get();
    if (current_group_ != &group) {
        current_group_ = &group;
        queue_io_ = false;
        pg_init_count_ = 0;
    }
    return true;
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
    ++valid_paths_;
    current_path_ = nullptr; // R12: the rotation starts again (Q10)
    return true;
}

void Table::set_bypassed(PriorityGroup &group, bool bypassed) noexcept {
    group.bypassed = bypassed;
    current_path_ = nullptr;
    current_group_ = nullptr;
}

void Table::switch_to(PriorityGroup &group) noexcept {
    for (const auto &each : groups_)
        each->bypassed = false;
    current_path_ = nullptr;
    current_group_ = nullptr;
    next_group_ = &group;
}

} // namespace multipath
