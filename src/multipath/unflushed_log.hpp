// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/buffer_pool.hpp"
#include "base/list.hpp"
#include "base/object_pool.hpp"
#include "block/request.hpp"

#include <cstddef>
#include <cstdint>

namespace multipath {

/// Acknowledged writes, trims and zeroes that no flush covers yet, with their data, in the order of their
/// acknowledgement (design D4): what a server's cache may lose and another path must be given then. As NFS
/// clients keep unstable writes (RFC 1813, 4.11). On the map's worker.
class UnflushedLog {
public:
    struct Memory {
        std::byte *buffer;
        std::size_t size;
        unsigned parts; ///< entries that lie in it
    };
    /// One of them, or what a FUA write left of one.
    struct Entry : base::ListHook {
        block::Operation operation;
        bool no_hole;
        std::uint64_t begin;
        std::uint64_t end;
        std::uint64_t number; ///< grows; the parts of one change share it
        std::byte *data;      ///< of `begin`; nullptr but for a write
        Memory *memory;       ///< that `data` lies in
    };

    /// `buffers`: where the data is kept, up to half of its limit; nullptr: nowhere, so that no write can be
    /// kept. `limit`: bytes, what an entry itself takes included.
    UnflushedLog(base::BufferPool *buffers, std::size_t limit) noexcept
        : buffers_(buffers)
        , limit_(limit) {}
    ~UnflushedLog();

    /// Takes over what the request changed, or copies it; false when there is no room for it.
    [[nodiscard]] bool keep(block::Request &request) noexcept;
    /// What the request changed is on stable storage: older changes that are kept of its range must never be
    /// written again. What was kept after it was sent is not older.
    void cut(const block::Request &stable) noexcept;
    /// A flush that is sent now covers everything up to this number.
    [[nodiscard]] std::uint64_t last_number() const noexcept { return last_number_; }
    /// A flush covered these.
    void drop_until(std::uint64_t number) noexcept;

    /// The next number, for something else that the same flushes cover.
    [[nodiscard]] std::uint64_t take_number() noexcept { return ++last_number_; }

    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// A quarter of what there may be: time for a flush, so that room is left while it runs.
    [[nodiscard]] bool wants_flush() const noexcept { return bytes_ >= limit_ / 4; }
    /// In the order in which they are to be done again.
    [[nodiscard]] base::List<Entry> &entries() noexcept { return entries_; }

private:
    Memory *keep_data(block::Request &request) noexcept;
    void drop(Entry &entry) noexcept;
    void trim_front(Entry &entry, std::uint64_t begin) noexcept;
    void split(Entry &entry, std::uint64_t begin, std::uint64_t end);

    base::BufferPool *buffers_;
    const std::size_t limit_;
    std::size_t bytes_ = 0;
    std::uint64_t last_number_ = 0;
    base::List<Entry> entries_;
    base::ObjectPool<Entry> pool_;
    base::ObjectPool<Memory> memories_;
};

} // namespace multipath
