// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"

#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace config {

/// A kind of path that the daemon has a plug-in for.
struct PathType {
    std::span<const std::string_view> schemes;
    std::span<const base::Key> keys;
    /// Throws base::Error when the URI is not right.
    std::function<void(std::string_view uri)> check_uri;
    /// Throws base::Error when a value is out of its range; may be empty.
    std::function<void(const base::KeyValues &values)> check_values = {};
};

/// Paths by name, as a table looks them up. Refers to the paths it was made from.
class PathNames {
public:
    PathNames() = default;
    explicit PathNames(const std::vector<Path> &paths);
    [[nodiscard]] const Path *find(std::string_view name) const;
    /// Throws base::Error(EINVAL) with the kernel's text, the name, and the nearest name there is.
    [[nodiscard]] const Path &require(std::string_view name) const;

private:
    std::map<std::string_view, const Path *, std::less<>> paths_;
};

/// A map whose table is to be checked, and the paths that it may name. A path whose URI was wrong is there
/// with an empty one.
struct TableCheck {
    const Map &map;
    const PathNames &paths;
};

/// What the daemon hands in, so that this folder knows no plug-in. Everything referred to outlives parse().
struct Environment {
    std::vector<PathType> path_types;
    std::vector<std::string_view> selectors;
    /// Throws base::Error with the kernel's text; may be empty (nothing is checked then).
    std::function<void(const TableCheck &)> check_table;
    /// Throws base::Error when the words are no rule of fault injection; may be empty.
    std::function<void(std::string_view rule)> check_inject;
    std::size_t most_injected = 0; ///< rules on one path
    /// NBD sockets come with the start (socket activation): `listen` may be missing.
    bool has_sockets = false;
};

} // namespace config
