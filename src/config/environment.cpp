// SPDX-License-Identifier: BSD-3-Clause
#include "config/environment.hpp"

#include "config/section.hpp"

namespace config {

PathNames::PathNames(const std::vector<Path> &paths) {
    for (const Path &path : paths)
        paths_.emplace(path.name, &path);
}

const Path *PathNames::find(std::string_view name) const {
    const auto found = paths_.find(name);
    return found != paths_.end() ? found->second : nullptr;
}

const Path &PathNames::require(std::string_view name) const {
    if (const Path *path = find(name))
        return *path;
    std::vector<std::string_view> names;
    for (const auto &[known, path] : paths_)
        names.push_back(known);
    throw base::Error(EINVAL, "error getting device: no path '{}'{}", shown(name), hint(name, names));
}

} // namespace config
