// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"
#include "base/scheduler.hpp"

namespace backend {

/// Tells a dead target from a slow or an idle one (design D7): when nothing has come for a quarter of
/// `stall_timeout` while commands are under way, it pings the target, and when then nothing comes for the
/// other three quarters the target counts as dead. While no command is under way, it asks the unit each
/// `idle_check` whether it is ready, which also tells whether it is still the same; the answer is the owner's
/// to look at. One timer a session.
class IscsiPulse : public IscsiSession::Command {
public:
    struct Times {
        base::Duration stall; ///< 0: never
        base::Duration idle;  ///< 0: an idle session is left alone
    };
    /// `silent` is called from the loop.
    IscsiPulse(io::Worker &worker, IscsiSession &session, const Times &times,
               base::Delegate<> silent) noexcept;

    /// The session is ready.
    void start();
    /// A command was issued.
    void watch();
    /// Before the session is stopped.
    void stop() noexcept;

private:
    void look() noexcept;

    io::Worker &worker_;
    IscsiSession &session_;
    const Times times_;
    const base::Delegate<> silent_;
    base::Timer timer_;
    bool running_ = false;
    base::TimePoint asked_{};
};

} // namespace backend
