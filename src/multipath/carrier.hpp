// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/object_pool.hpp"
#include "block/request.hpp"
#include "multipath/priority_group.hpp"
#include "multipath/unflushed_log.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace multipath {

/// Where every server has a cache of its own, one path device carries all I/O (design D4). When another one
/// is to carry it, or the same one after its connection was lost, this takes over: it waits until nothing is
/// in flight, makes what is kept in the log stable where it is, or else does it again, in order, on the new
/// path; only then anything else may go there. A device that was left with unflushed data and may still have
/// it is quarantined: its cache could come back over newer data. On the map's worker.
class Carrier final : private block::Layer {
public:
    struct FlushScope {
        std::uint64_t last_number = 0; ///< of the log
        bool is_settled = false;       ///< nothing that was sent before may be carried out later
    };
    class Owner {
    public:
        /// Whether something may still be carried out that a device was given long ago.
        [[nodiscard]] virtual bool may_change_late() const noexcept = 0;
        /// Whether no path has a request of the map's clients.
        [[nodiscard]] virtual bool drained() const noexcept = 0;
        /// A takeover ended, well or not: what waits for it tries again.
        virtual void takeover_ended() noexcept = 0;
        /// `path` could not take what is kept: it has failed.
        virtual void replay_failed(Path &path, block::Request &request, block::Status status) noexcept = 0;
        /// The disk refused something that had been acknowledged.
        virtual void replay_refused(const Path &path, block::Status status) noexcept = 0;
        /// A flush of the device that carries is sent now: what it has done until here will be stable.
        virtual void flush_begins() noexcept = 0;
        /// It has ended. Otherwise than well: the device failed it or was lost, and its cache counts as lost.
        virtual void flushed(block::Device &device, block::Status status) noexcept = 0;
        /// From now on holds_back() says so.
        virtual void quarantined(const block::Device &device) noexcept = 0;

    protected:
        ~Owner() = default;
    };

    /// `log`: of what the device that carries has acknowledged, or the one before it.
    Carrier(Owner &owner, UnflushedLog &log) noexcept
        : owner_(owner)
        , log_(log) {}

    /// Whether requests may go to the path.
    [[nodiscard]] bool carries(const Path &path) const noexcept {
        return target_ == nullptr && path.device == device_ && is_intact();
    }
    /// Whether the device carries, and its cache is what we think it is.
    [[nodiscard]] bool trusts(const block::Device &device) const noexcept {
        return device_ == &device && is_intact();
    }
    /// Lets the path take over, at once if nothing is in the way. Nothing while another one does.
    void take_over(Path &path) noexcept;
    /// To be called when Owner::drained() has become true.
    void go_on() noexcept;

    /// Flushes the device that carries, for what is kept; false when there is none whose cache is what we
    /// think it is.
    bool flush() noexcept;
    /// The device answered a flush with an error: nobody knows what its cache holds.
    void distrust() noexcept { trusted_ = false; }
    /// The device had this generation when it was given a change of data that its client was not told of: it
    /// is in its cache, or some of it, or (`late`) may still come there.
    void leave(const block::Device &device, std::uint64_t generation, bool late = false);
    /// Whether the cache of the device that carries holds something of the kind.
    [[nodiscard]] bool needs_flush() const noexcept;
    /// What a flush covers that is sent now to the device that carries; and that it succeeded.
    [[nodiscard]] FlushScope flush_scope() const noexcept {
        return {.last_number = log_.last_number(), .is_settled = !owner_.may_change_late()};
    }
    void flush_succeeded(const FlushScope &scope) noexcept;

    /// Whether the device is in quarantine, and its server is not proven dead since.
    [[nodiscard]] bool holds_back(const block::Device &device) const noexcept;
    /// By hand.
    void release(const block::Device &device) noexcept;
    /// Nobody carries; devices that `stays` says no to, and servers that have ended, are gone.
    template <typename Stays>
    void forget_devices(Stays stays) noexcept {
        if (device_ != nullptr && !log_.empty())
            leave(*device_, generation_);
        device_ = nullptr;
        const auto is_gone = [&stays](const Mark &mark) { return !stays(*mark.device) || mark.is_dead(); };
        std::erase_if(left_, is_gone);
        std::erase_if(quarantined_, is_gone);
    }

    [[nodiscard]] bool busy() const noexcept { return target_ != nullptr || flushing_; }
    [[nodiscard]] std::size_t in_flight() const noexcept { return replaying_ + (flushing_ ? 1 : 0); }

private:
    static constexpr std::size_t most_at_once = 16;
    struct Mark {
        const block::Device *device;
        std::uint64_t generation; ///< that has, or may get, what must not come back
        std::uint64_t number;     ///< in the log's order
        bool is_late = false;     ///< more may come into its cache
        bool is_flushed = false;  ///< since, but more may come
        [[nodiscard]] bool is_dead() const noexcept {
            return device->generation() > generation && device->proven_dead();
        }
    };

    [[nodiscard]] bool is_intact() const noexcept {
        return device_ != nullptr && trusted_ && device_->generation() == generation_;
    }
    void completed(block::Request &request, block::Status status) noexcept override;
    void flush_ended(block::Status status) noexcept;
    void entry_replayed(block::Request &request, block::Status status) noexcept;
    void begin_replay() noexcept;
    void replay_more() noexcept;
    void replay(UnflushedLog::Entry &entry) noexcept;
    [[nodiscard]] bool overlaps_running(const UnflushedLog::Entry &entry) const noexcept;
    void end_takeover(bool well) noexcept;

    Owner &owner_;
    UnflushedLog &log_;
    block::Device *device_ = nullptr; ///< that carries
    std::uint64_t generation_ = 0;    ///< of it, as it began
    bool trusted_ = true;
    Path *target_ = nullptr; ///< of the takeover that runs
    std::uint64_t target_generation_ = 0;
    std::vector<Mark> left_; ///< with something unflushed, the one that carries among them
    std::vector<Mark> quarantined_;

    bool flushing_ = false;
    FlushScope flush_scope_{};
    block::Request flush_;

    bool replay_failed_ = false;
    base::List<UnflushedLog::Entry> replayed_; ///< or begun: taken from the log, while a replay runs
    std::size_t replaying_ = 0;
    std::array<UnflushedLog::Entry *, most_at_once> running_{};
    base::ObjectPool<block::Request, most_at_once> requests_;
};

} // namespace multipath
