// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"

#include <string>
#include <string_view>

namespace backend {

/// A regular file or block device, open, with what it was found to be able to. Owns the descriptor.
struct OpenFile {
    OpenFile() = default;
    OpenFile(OpenFile &&other) noexcept;
    OpenFile &operator=(OpenFile &&other) noexcept;
    ~OpenFile() { close(); }

    /// What is known of the file stays.
    void close() noexcept;

    int fd = -1;
    block::Geometry geometry;
    bool block_device = false;
    bool direct = false;       ///< past the page cache: offsets, lengths and addresses are aligned
    bool in_memory = false;    ///< tmpfs: calls do not block, and have no other way to say so
    bool nowait_reads = false; ///< says EAGAIN instead of waiting for the disk
    // Found out at the first use:
    bool punches_holes = true;
    bool zeroes_ranges = true;
};

enum class DirectIo { automatic, yes, no }; ///< automatic: block devices only

/// The path in `file:///path` or `file:/path`, percent-decoded. Throws base::Error.
std::string path_of_file_uri(std::string_view uri);

/// Opens and examines; read-only when writing is not allowed. May wait for the disk. Throws base::Error, one
/// line.
OpenFile open_file(const std::string &path, DirectIo direct);

/// backend::Type::cache_identity: the inode or node whose page cache is used, or "direct" past it.
std::string file_cache_identity(const std::string &path, DirectIo direct);

} // namespace backend
