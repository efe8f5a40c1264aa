// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/device.hpp"

#include <cstdint>
#include <vector>

namespace multipath {

/// Ranges of the disk that newer writes, trims and zeroes stay out of (design D3, D5): a path was given a
/// change of them whose end nobody knows, so that it may land over what comes later. Reads may pass, and so
/// may the same change on another path: it is the same data. Locks outlive the client and the table. What a
/// lock keeps out waits; where a fence has failed the range is shut, and it is refused. On the map's worker.
class RangeLocks {
public:
    /// `freed`: called from the loop when a lock has ended.
    RangeLocks(base::Scheduler &scheduler, base::Delegate<> freed) noexcept;

    /// The cheap question.
    [[nodiscard]] bool any() const noexcept { return !locks_.empty(); }
    [[nodiscard]] std::size_t count() const noexcept { return locks_.size(); }
    enum class Bar : std::uint8_t { none, waits, refuses };
    /// Whether the request would change a range that is locked for another one.
    [[nodiscard]] Bar bar(const block::Request &request) const noexcept;

    /// What the request changes may land during this time. Marks the request (Request::range_lock).
    void lock(block::Request &request, base::Duration time);
    /// What the request changes may land until open(device). Marks the request.
    void shut(block::Request &request, const block::Device &device);
    /// The ranges that were shut for the device open, after this time.
    void open(const block::Device &device, base::Duration after) noexcept;
    /// A path has the request, whose client is gone: locked until ended(), or longer if lock() comes first.
    void lock_until_end(block::Request &request);
    /// The path gave back a marked request.
    void ended(const block::Request &request) noexcept;

private:
    struct Lock {
        std::uint32_t id;
        bool at_path;                  ///< until ended()
        const block::Device *shut_for; ///< until open()
        std::uint64_t begin;
        std::uint64_t end;
        base::TimePoint until;
    };
    Lock &lock_of(block::Request &request);
    void arm() noexcept;
    void expire() noexcept;

    base::Scheduler &scheduler_;
    base::Delegate<> freed_;
    base::Timer expiry_;
    std::vector<Lock> locks_;
    std::uint32_t last_id_ = 0;
    bool has_shut_ = false;
};

} // namespace multipath
