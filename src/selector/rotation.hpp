// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "selector/selector.hpp"

#include <algorithm>
#include <vector>

namespace selector {

/// The active paths of a group in the order in which a selector looks at them. Allocates in add() only.
class Rotation {
public:
    /// One more path, active, at the end: while the table is built.
    void add(PathIndex path) {
        valid_.reserve(++paths_);
        valid_.push_back(path);
    }
    void remove(PathIndex path) noexcept { valid_.erase(std::ranges::find(valid_, path)); }
    void put_first(PathIndex path) noexcept { valid_.insert(valid_.begin(), path); }
    void put_last(PathIndex path) noexcept { valid_.push_back(path); }
    /// How many are active.
    [[nodiscard]] std::size_t size() const noexcept { return valid_.size(); }

    /// The best path, of equals the first; it goes to the end, so that equals take turns. Nothing when none
    /// is active. `better(a, b)`: whether path a is strictly better.
    template <typename Better>
    std::optional<PathIndex> take(Better better) noexcept {
        if (valid_.empty())
            return std::nullopt;
        auto best = valid_.begin();
        for (auto path = best + 1; path != valid_.end(); ++path)
            if (better(*path, *best))
                best = path;
        std::rotate(best, best + 1, valid_.end());
        return valid_.back();
    }

private:
    std::vector<PathIndex> valid_;
    std::size_t paths_ = 0; ///< active or not
};

} // namespace selector
