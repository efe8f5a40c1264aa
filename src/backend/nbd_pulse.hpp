// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/nbd_connection.hpp"
#include "base/scheduler.hpp"

#include <memory>

namespace backend {

/// Tells a dead server from a slow one while requests are in flight (design D7): when nothing has come for a
/// quarter of `stall_timeout` it asks for the first block, and when nothing has come for all of it, not even
/// that, the server counts as dead. One timer a connection, none while nothing is in flight.
class NbdPulse : public NbdConnection::Command {
public:
    /// `stall_timeout` 0: never. `silent` is called from the loop.
    NbdPulse(io::Worker &worker, NbdConnection &connection, base::Duration stall_timeout,
             base::Delegate<> silent) noexcept;

    /// A request was sent.
    void watch() {
        if (!timer_.active() && stall_timeout_.count() != 0)
            timer_.start_in(stall_timeout_ / 4);
    }
    /// Its own question was answered.
    void answered() noexcept { asked_ = false; }
    /// Before the connection is stopped.
    void stop() noexcept;

private:
    void look() noexcept;
    void ask() noexcept;

    io::Worker &worker_;
    NbdConnection &connection_;
    const base::Duration stall_timeout_;
    const base::Delegate<> silent_;
    base::Timer timer_;
    bool asked_ = false;
    std::unique_ptr<std::byte[]> block_;
    std::uint32_t block_size_ = 0;
};

} // namespace backend
