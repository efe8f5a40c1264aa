// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"

namespace io {

class Worker;

/// Readiness of one descriptor, through Asio. Owns the descriptor. Reads and writes on it are the caller's,
/// by hand, non-blocking. One wait per direction at a time; a wait ends with one call of its delegate, or
/// with none when the watch is closed or cancelled first. Waiting allocates nothing once warm.
class FdWatch {
public:
    FdWatch() = default;
    /// Takes `fd` over and makes it non-blocking.
    FdWatch(Worker &worker, int fd);
    FdWatch(FdWatch &&other) noexcept;
    FdWatch &operator=(FdWatch &&other) noexcept;
    ~FdWatch();

    [[nodiscard]] bool open() const noexcept { return state_ != nullptr; }
    [[nodiscard]] int fd() const noexcept;
    [[nodiscard]] bool waiting_read() const noexcept;
    [[nodiscard]] bool waiting_write() const noexcept;

    /// Calls `ready` once, from the loop, when reading (writing) would not block or has an error to tell. A
    /// wait that is already there keeps its first delegate.
    void wait_read(base::Delegate<> ready);
    void wait_write(base::Delegate<> ready);
    /// Forgets what is waited for: no delegate of the past is called any more.
    void cancel() noexcept;
    /// Closes the descriptor.
    void close() noexcept;
    /// Gives the descriptor back to the caller, still open, watched no more.
    [[nodiscard]] int release() noexcept;

private:
    struct State;
    State *state_ = nullptr;
};

} // namespace io
