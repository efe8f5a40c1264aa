// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "health/fingerprint.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace health {

/// What the map's owner states about the disk; what is not stated comes from the paths that answer.
struct Expected {
    std::optional<std::uint64_t> size; ///< bytes; without it every path has the size of the first one
    bool read_only = false;
    bool reinstate = true; ///< a path that answers again returns by itself
    Fingerprint fingerprint{};
    std::string wwid{}; ///< what every SCSI path says it is (block::ScsiFacts::wwid); empty: anything
};

/// The disk behind some paths.
struct Disk {
    block::Geometry geometry; ///< its size is 0 while nothing tells it
    bool seen = false;        ///< a path has answered: the rest of the geometry is known too
};

/// What those of the paths that are up agree on, in the order of the table, where the first one's size
/// counts. `familiar`: the map's until now (of size 0: unknown); a path of that size is believed before the
/// first.
Disk disk_behind(std::span<const backend::Backend *const> paths, const Expected &expected,
                 const block::Geometry &familiar);

/// Whether a map of the one size is still of the same with the other, whose blocks may be smaller.
bool is_same_size(const block::Geometry &disk, const block::Geometry &familiar) noexcept;

/// Why a path is not the unit of that name; empty when it is, and for paths that have no SCSI side.
std::string wwid_difference(block::Device &path, std::string_view wwid);

/// Why a path with this geometry cannot carry requests for the disk (design D6); empty when it can.
std::string difference(const block::Geometry &path, const block::Geometry &disk, const Expected &expected);

} // namespace health
