// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/nbd_connection.hpp"
#include "base/scheduler.hpp"

#include <memory>

namespace backend {

/// Tells a dead server from a slow or an idle one (design D7): when nothing has come for a quarter of
/// `stall_timeout` while requests are in flight, or for `idle_check` while none is, it asks for the first
/// block, and when then nothing comes for all of `stall_timeout`, not even that, the server counts as dead.
/// One timer a connection.
class NbdPulse : public NbdConnection::Command {
public:
    struct Times {
        base::Duration stall; ///< 0: never
        base::Duration idle;  ///< 0: an idle connection is left alone
    };
    /// `silent` is called from the loop.
    NbdPulse(io::Worker &worker, NbdConnection &connection, const Times &times,
             base::Delegate<> silent) noexcept;

    /// The connection is ready.
    void start();
    /// A request was sent.
    void watch();
    /// Its own question was answered.
    void answered() noexcept { asked_ = false; }
    /// Before the connection is stopped.
    void stop() noexcept;

private:
    void look() noexcept;
    void look_at_idle();
    void ask() noexcept;

    io::Worker &worker_;
    NbdConnection &connection_;
    const Times times_;
    const base::Delegate<> silent_;
    base::Timer timer_;
    bool running_ = false;
    base::TimePoint begin_{}; ///< of the connection
    bool asked_ = false;
    std::unique_ptr<std::byte[]> block_;
    std::uint32_t block_size_ = 0;
};

} // namespace backend
