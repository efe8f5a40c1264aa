// SPDX-License-Identifier: BSD-3-Clause
// What requests wait for (design D8), and why paths do not carry them.
#include "multipath/map.hpp"

#include <fmt/format.h>

namespace multipath {

std::string Map::held_text() const {
    std::string text;
    const auto add = [&text](std::size_t count, std::string_view what) {
        if (count != 0)
            text += fmt::format("{}{} for {}", text.empty() ? "" : ", ", count, what);
    };
    const bool any_path = live_ != nullptr && live_->valid_paths() != 0;
    add(queue_size_, any_path ? "a path to become ready" : "a path, there is none");
    add(barred_size_, "the end of a write in doubt");
    add(gated_, suspended() ? "resume" : "suspend and resume");
    return text;
}

std::string_view Map::why_failed(const Path &path) const noexcept {
    if (path.active)
        return {};
    if (path.held_down)
        return "by message";
    if (carrier_.holds_back(*path.device))
        return "quarantined";
    return path.timed_out ? "timeout" : "error";
}

} // namespace multipath
