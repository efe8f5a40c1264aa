// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"

#include <array>
#include <cstddef>

namespace base {

/// Page-aligned buffers in powers of two, bounded in all, also with those that are kept for the next taker.
/// One thread.
class BufferPool {
public:
    static constexpr std::size_t smallest = 4096;
    static constexpr std::size_t largest = std::size_t{64} << 20;

    /// Hands out at most `limit` bytes at a time, except that one buffer can always be had when none is out
    /// but what was set aside: so a limit below one request slows down and does not lock up.
    BufferPool(Scheduler &scheduler, std::size_t limit) noexcept
        : scheduler_(scheduler)
        , limit_(limit) {}
    BufferPool(const BufferPool &) = delete;
    BufferPool &operator=(const BufferPool &) = delete;
    ~BufferPool();

    /// At least `size` bytes (at most `largest`), or nullptr: fewer than `left` bytes would be left below
    /// the limit, or the system has no more.
    [[nodiscard]] std::byte *take(std::size_t size, std::size_t left = 0) noexcept;
    /// The same, whatever the limit is: for what is small and bounded otherwise.
    [[nodiscard]] std::byte *take_anyway(std::size_t size) noexcept;
    /// `size` as it was given to take().
    void give_back(std::byte *buffer, std::size_t size) noexcept;
    /// As take() and give_back(), for what may stay out for long: half of the limit at most.
    [[nodiscard]] std::byte *set_aside(std::size_t size) noexcept;
    /// The same for a buffer that take(size) has given: set aside from now on, if there is room.
    [[nodiscard]] bool keep_aside(std::size_t size) noexcept;
    void give_back_aside(std::byte *buffer, std::size_t size) noexcept;
    /// Posts `task` once, when a buffer has been given back after take() said nullptr.
    void wait(Task &task) noexcept;

    [[nodiscard]] std::size_t used() const noexcept { return used_; }
    /// What is out beyond a lower limit stays so until it is given back.
    void set_limit(std::size_t limit) noexcept;
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

private:
    static constexpr std::size_t classes = 15; // 4 KiB … 64 MiB
    static constexpr std::size_t most_kept = std::size_t{16} << 20;
    struct Free {
        Free *next;
    };
    void wake() noexcept;
    void make_room(std::size_t bytes) noexcept;
    static std::size_t class_of(std::size_t size) noexcept;
    std::byte *allocate(std::size_t index) noexcept;

    Scheduler &scheduler_;
    std::size_t limit_;
    std::size_t used_ = 0;
    std::size_t aside_ = 0; ///< of used_
    std::size_t kept_ = 0;
    std::array<Free *, classes> free_{};
    List<Task> waiting_;
};

} // namespace base
