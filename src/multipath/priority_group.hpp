// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"
#include "multipath/path_statistics.hpp"
#include "selector/selector.hpp"

#include <memory>
#include <string>
#include <vector>

namespace multipath {

struct PriorityGroup;

/// One occurrence of a device in a priority group (semantics reference 1.3). The same device may occur more
/// than once; each occurrence fails and returns by itself.
struct Path {
    std::string name;
    block::Device *device;
    PriorityGroup *group;
    selector::PathIndex index; ///< position in its group
    bool active = true;
    /// Failed by a fail_path message: comes back by reinstate_path only.
    bool held_down = false;
    /// Another disk answers there (design D6): not even reinstate_path brings it back.
    bool barred = false;
    bool timed_out = false;  ///< what failed it was that nobody answered in time
    unsigned fail_count = 0; ///< active -> failed transitions, never reset
    PathCounters counters{};
};

/// Paths that are used together (1.2). Never reordered after the table is built.
struct PriorityGroup {
    unsigned number; ///< 1, 2, … in declaration order
    bool bypassed = false;
    std::string selector_name;
    std::unique_ptr<selector::Selector> selector;
    std::vector<std::unique_ptr<Path>> paths;
};

} // namespace multipath
