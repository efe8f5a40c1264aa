// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/object_pool.hpp"
#include "block/completion_queue.hpp"
#include "block/device.hpp"

#include <cstdint>
#include <vector>

namespace multipath {

/// Which path devices may hold, from before we used them, what no flush covers yet, and the flush that goes
/// to all of them (design D4: after our start every path counts as dirty; semantics reference H1). A device
/// whose generation changed since, or that fails its flush, has lost it: from then on FLUSH and FUA of every
/// client that was there fail (D10), until it connects again. One round of flushes runs at a time; what comes
/// meanwhile shares the next one.
class DirtyPaths final : private block::Layer {
public:
    /// `idle`: called when a round of flushes has ended and none follows.
    DirtyPaths(block::CompletionQueue &finished, base::Delegate<> idle) noexcept;

    /// The epoch of a client that comes now: what is lost already is not its loss.
    [[nodiscard]] std::uint64_t loss_epoch() noexcept {
        look_for_losses();
        return loss_epoch_;
    }

    /// The device is used from now on, and its cache is as it was left.
    void meet(block::Device &device);
    /// It flushed, sent when it had this generation.
    void is_stable(const block::Device &device, std::uint64_t generation) noexcept;
    /// Makes everything that was acknowledged stable, then ends `request` through the completion queue: with
    /// success or EIO. `except`: a device that needs no flush for this (it has just done the FUA).
    void flush(block::Request &request, const block::Device *except = nullptr);
    /// Makes everything that was acknowledged stable, for nobody in particular. Ends with `idle`.
    void flush_all();
    /// Looks for devices that lost what they held; true when this client's writes may be among it.
    bool has_lost(const block::Request &request) noexcept;
    /// Something that was acknowledged may be lost, on whichever device.
    void count_loss() noexcept { ++loss_epoch_; }
    [[nodiscard]] std::size_t in_flight() const noexcept { return flushes_in_flight_; }
    /// Whether an acknowledged write awaits a flush.
    [[nodiscard]] bool any() const noexcept { return !dirty_.empty() || flushes_in_flight_ != 0; }

private:
    struct Mark {
        block::Device *device;
        std::uint64_t generation; ///< of the device when it was written to
        bool counted_as_lost = false;
    };
    void completed(block::Request &request, block::Status status) noexcept override;
    void look_for_losses() noexcept;
    void start_round();
    void end_round() noexcept;

    block::CompletionQueue &finished_;
    base::Delegate<> idle_;
    std::vector<Mark> dirty_;
    std::vector<Mark> flushing_;
    base::ObjectPool<block::Request, 8> requests_;
    std::size_t flushes_in_flight_ = 0;
    base::List<block::Request> running_; ///< end with this round
    base::List<block::Request> next_;    ///< wait for the next one
    bool again_ = false;                 ///< for those that were met during this round
    std::uint64_t loss_epoch_ = 0;
};

} // namespace multipath
