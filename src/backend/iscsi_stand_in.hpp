// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"

namespace backend {

/// Ends what a session had begun whose own portal cannot be reached any more: logs in with its session id at
/// another portal of the same portal group, for which the target ends the former session (RFC 7143, 6.3.5),
/// and out again. On the worker only.
class IscsiStandIn final : private IscsiSession::Owner {
public:
    /// `ended`: whether the target took the login. From the loop.
    IscsiStandIn(io::Worker &worker, base::Duration patience, base::Delegate<bool> ended) noexcept
        : session_(worker, *this)
        , patience_(patience)
        , ended_(ended)
        , limit_(worker, base::Delegate<>::to<&IscsiStandIn::expired>(*this)) {}

    /// Not while the path has a session, or tries to get one: the target would end that.
    void start(const std::string &portal, const IscsiLogin &login) {
        running_ = true;
        limit_.start_in(patience_);
        session_.start(portal, login);
    }
    void stop() noexcept {
        running_ = false;
        limit_.cancel();
        session_.stop();
    }
    [[nodiscard]] bool running() const noexcept { return running_; }

private:
    void logged_in() noexcept override { end(true); }
    void answered(IscsiSession::Command &, const IscsiSession::Answer &) noexcept override {}
    void lost(std::string_view) noexcept override { end(false); }
    void expired() noexcept { end(false); }
    void end(bool well) noexcept {
        stop();
        ended_(well);
    }

    IscsiSession session_;
    const base::Duration patience_;
    const base::Delegate<bool> ended_;
    base::Timer limit_;
    bool running_ = false;
};

} // namespace backend
