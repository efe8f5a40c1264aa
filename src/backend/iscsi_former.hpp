// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"

#include <utility>

namespace backend {

/// Finds out whether a target ends the former session when the same initiator logs in again with the same
/// session id, as RFC 7143 (6.3.5) has it and not every target does: a session that is there before the real
/// one.
class IscsiFormer final : private IscsiSession::Owner {
public:
    /// `ready`: now the real one may log in; `failed`: there is no session, why() says why.
    IscsiFormer(io::Worker &worker, base::Delegate<> ready, base::Delegate<> failed) noexcept
        : session_(worker, *this)
        , ready_(ready)
        , failed_(failed) {}

    void start(const std::string &portal, const IscsiLogin &login) {
        state_ = State::begun;
        session_.start(portal, login);
    }
    void stop() noexcept {
        session_.stop();
        redirect_.clear();
        state_ = State::none;
    }

    [[nodiscard]] bool there() const noexcept { return state_ == State::there; }
    [[nodiscard]] bool was_ended() const noexcept { return state_ == State::ended; }
    [[nodiscard]] const std::string &why() const noexcept { return why_; }
    /// Where the target sends us, when that is why; empty: it is not.
    [[nodiscard]] const std::string &redirect() const noexcept { return redirect_; }

private:
    enum class State : std::uint8_t { none, begun, there, ended };

    void logged_in() noexcept override {
        state_ = State::there;
        ready_();
    }
    void answered(IscsiSession::Command &, const IscsiSession::Answer &) noexcept override {}
    void lost(std::string_view why) noexcept override {
        why_ = why;
        redirect_ = session_.redirect();
        session_.stop();
        if (std::exchange(state_, State::ended) == State::begun)
            failed_();
    }

    IscsiSession session_;
    const base::Delegate<> ready_;
    const base::Delegate<> failed_;
    State state_ = State::none;
    std::string why_;
    std::string redirect_;
};

} // namespace backend
