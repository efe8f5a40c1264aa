// SPDX-License-Identifier: BSD-3-Clause
#include "health/disk.hpp"

#include "block/scsi_port.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace health {

namespace {

std::uint64_t whole_blocks(std::uint64_t size, std::uint32_t block) noexcept { return size - size % block; }

void take_in(block::Geometry &disk, const block::Geometry &path) noexcept {
    disk.minimum_block = std::max(disk.minimum_block, path.minimum_block);
    disk.preferred_block = std::max({disk.preferred_block, path.preferred_block, disk.minimum_block});
    disk.maximum_payload = std::min(disk.maximum_payload, path.maximum_payload);
    disk.rotational |= path.rotational;
}

} // namespace

Disk disk_behind(std::span<const backend::Backend *const> paths, const Expected &expected,
                 const block::Geometry &familiar) {
    const auto is_up = [](const backend::Backend *path) { return path->up(); };
    const auto is_familiar = [&familiar](const backend::Backend *path) {
        return path->up() && is_same_size(path->geometry(), familiar);
    };
    Disk disk;
    bool writable = false;
    auto first = familiar.size != 0 ? std::ranges::find_if(paths, is_familiar) : paths.end();
    if (first == paths.end())
        first = std::ranges::find_if(paths, is_up);
    disk.geometry.size =
        expected.size.value_or(first != paths.end() ? (*first)->geometry().size : familiar.size);
    for (const backend::Backend *path : paths) {
        if (!path->up())
            continue;
        const block::Geometry &one = path->geometry();
        if (expected.size ? one.size < disk.geometry.size : one.size != disk.geometry.size)
            continue; // another disk: its blocks do not count
        disk.seen = true;
        writable |= !one.read_only;
        take_in(disk.geometry, one);
    }
    // One path that cannot be written to does not take that from the others: it is the one that is wrong.
    disk.geometry.read_only = expected.read_only || (disk.seen && !writable);
    disk.geometry.size = whole_blocks(disk.geometry.size, disk.geometry.minimum_block);
    return disk;
}

bool is_same_size(const block::Geometry &disk, const block::Geometry &familiar) noexcept {
    return whole_blocks(disk.size, familiar.minimum_block) == familiar.size;
}

std::string wwid_difference(block::Device &path, std::string_view wwid) {
    const block::ScsiPort *port = path.scsi();
    if (wwid.empty() || port == nullptr)
        return {};
    const block::ScsiFacts *facts = port->facts();
    if (facts == nullptr || facts->wwid.empty())
        return fmt::format("its unit says no name, the map's wwid is {}", wwid);
    return facts->wwid == wwid ? std::string()
                               : fmt::format("its unit is {}, the map's wwid is {}", facts->wwid, wwid);
}

std::string difference(const block::Geometry &path, const block::Geometry &disk, const Expected &expected) {
    const std::uint64_t path_size = whole_blocks(path.size, disk.minimum_block);
    if (expected.size ? path_size < disk.size : path_size != disk.size)
        return fmt::format("its size is {} bytes, the map's is {}", path.size, disk.size);
    if (path.minimum_block > disk.minimum_block)
        return fmt::format("its block size is {}, the map's is {}", path.minimum_block, disk.minimum_block);
    if (path.maximum_payload < disk.maximum_payload)
        return fmt::format("its longest request is {} bytes, the map's is {}", path.maximum_payload,
                           disk.maximum_payload);
    if (path.read_only && !disk.read_only)
        return "it is read-only, the map is not";
    return {};
}

} // namespace health
