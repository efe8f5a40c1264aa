// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"

#include <cstddef>

namespace io {

/// Has a TCP connection with many requests under way become readable when a few answers are there, not with
/// each (SO_RCVLOWAT). Falling asleep and being woken for one answer costs more than the answer, and a busy
/// peer on the same processor is interrupted each time: measured with tgtd at depth 16, 28.6 against 17.7 us
/// of processor time a read.
///
/// Only where answers come fast, two within `fast` as last measured: of a slow peer the wait would cost more
/// than it spares. Should answers wait for company for `longest_wait` nevertheless, they are told, and groups
/// are left alone for a while, longer each time. On the connection's thread only.
class AnswerGroups {
public:
    explicit AnswerGroups(base::Scheduler &scheduler) noexcept;

    /// A new connection with nothing under way.
    void start(int fd) noexcept;
    /// Each answer is told at once from now on; what is under way is forgotten. Before the descriptor goes.
    void stop() noexcept;

    /// A request is sent whose answer has so many bytes. `urgent`: the peer will say something in between on
    /// which it waits for us, so nothing may wait for company.
    void sent(std::size_t answer, bool urgent) noexcept;
    /// The same request has its answer.
    void answered(std::size_t answer, bool urgent) noexcept;
    /// Bytes came.
    void heard() noexcept;
    /// At the end of a turn: what is under way now decides how much is waited for.
    void settle() noexcept;

    [[nodiscard]] std::size_t threshold() const noexcept { return threshold_; }

    static constexpr std::size_t fewest = 8;  ///< requests under way, below which each answer is told
    static constexpr std::size_t divisor = 4; ///< so much of what is to come is waited for
    static constexpr std::size_t most = 32U << 10;
    static constexpr std::size_t worth_it = 16U << 10; ///< as a group, also when that is no two answers
    static constexpr base::Duration measured_time = std::chrono::milliseconds(1);
    static constexpr base::Duration fast = std::chrono::microseconds(200);
    static constexpr base::Duration longest_wait = std::chrono::milliseconds(2);
    static constexpr base::Duration shortest_pause = std::chrono::milliseconds(100);
    static constexpr base::Duration longest_pause = std::chrono::seconds(3);

private:
    void measure() noexcept;
    [[nodiscard]] std::size_t wanted() const noexcept;
    void set(std::size_t bytes) noexcept;
    void look() noexcept;

    base::Scheduler &scheduler_;
    base::Timer patience_;
    int fd_ = -1;
    std::size_t threshold_ = 1;
    std::size_t under_way_ = 0;
    std::size_t urgent_ = 0;
    std::size_t bytes_ = 0; ///< of all answers under way
    std::size_t came_ = 0;  ///< since measuring_since_
    std::size_t speed_ = 0; ///< bytes in the time `fast`, when last measured
    base::TimePoint measuring_since_{};
    base::TimePoint heard_{};
    base::TimePoint paused_until_{};
    base::Duration pause_ = shortest_pause;
};

} // namespace io
