// SPDX-License-Identifier: BSD-3-Clause
// dm messages (semantics reference 2.17).
#include "multipath/map.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace multipath {

void Map::message(std::span<const std::string> words) {
    if (suspended() && live_->compat().refuses_messages_suspended)
        throw base::Error(EBUSY, "map {} is suspended", name_);
    const std::string verb = words.empty() ? std::string() : words[0];
    const auto is = [&verb](std::string_view word) { return base::equal_ignoring_case(verb, word); };
    if (words.size() == 1 && is("queue_if_no_path"))
        message_queueing(true);
    else if (words.size() == 1 && is("fail_if_no_path"))
        message_queueing(false);
    else if (words.size() == 2 && (is("disable_group") || is("enable_group") || is("switch_group")))
        message_group(verb, words[1]);
    else if (words.size() == 2 && (is("fail_path") || is("reinstate_path")))
        message_path(is("reinstate_path"), words[1]);
    else
        throw base::Error(EINVAL, "Unrecognised multipath message received.");
}

void Map::message_queueing(bool on) {
    queueing_timed_out_ = false;
    set_queueing(on);
}

void Map::message_group(std::string_view verb, const std::string &number) {
    const bool switching = base::equal_ignoring_case(verb, "switch_group");
    const auto value = parse_number(live_->compat(), number);
    if (!value || *value == 0 || *value > live_->groups().size())
        throw base::Error(EINVAL, "invalid PG number supplied to {}",
                          switching ? "switch_pg_num" : "bypass_pg");
    PriorityGroup &group = *live_->groups()[*value - 1];
    std::string details = fmt::format("pg={}", group.number);
    if (switching) {
        live_->switch_to(group);
        tell("PG_SWITCH", std::move(details));
    } else {
        const bool bypassed = base::equal_ignoring_case(verb, "disable_group");
        live_->set_bypassed(group, bypassed);
        tell(bypassed ? "PG_DISABLED" : "PG_ENABLED", std::move(details));
    }
}

void Map::message_path(bool reinstating, const std::string &name) {
    bool found = false;
    for (const auto &group : live_->groups()) {
        for (const auto &path : group->paths) {
            if (path->name != name)
                continue;
            found = true;
            if (reinstating && path->barred)
                throw base::Error(EINVAL, "path {} is not the disk of this map and cannot be reinstated",
                                  name);
            if (reinstating) {
                reinstate(*path);
            } else {
                fail(*path);
                path->held_down = true;
            }
        }
    }
    if (!found)
        throw base::Error(not_found_error(name), "message: error getting device {}", name);
}

int Map::not_found_error(const std::string &name) const {
    // A device that is there, but not in this table, is another matter than none (R23).
    return devices_.find(name).device != nullptr ? EINVAL : look_up_error(live_->compat(), name);
}

} // namespace multipath
