// SPDX-License-Identifier: BSD-3-Clause
// Lines as messages to a map, a request after each: whatever is said, requests end once and the map can be
// shut down.
#include "multipath/rig.hpp"

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char *>(data), std::min<std::size_t>(size, 4096));
    Rig rig(T4);
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        rig.message(std::string(text.substr(begin, end - begin)));
        rig.io_and(1);
        begin = end + 1;
    }
    unsigned active = 0;
    for (const auto &group : rig.map.live_table()->groups())
        active += static_cast<unsigned>(std::ranges::count_if(group->paths, &multipath::Path::active));
    if (active != rig.map.live_table()->valid_paths() ||
        std::ranges::find(rig.results, "twice") != rig.results.end())
        std::abort();
    return 0;
}
