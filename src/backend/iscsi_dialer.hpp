// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_former.hpp"
#include "backend/iscsi_login.hpp"
#include "backend/iscsi_resolver.hpp"
#include "backend/iscsi_route.hpp"
#include "backend/iscsi_session.hpp"
#include "backend/iscsi_uri.hpp"
#include "base/keys.hpp"

#include <map>
#include <optional>
#include <span>

namespace backend {

/// Gets a session to log in at one of a target's portals, one after another, or where the target sends us
/// from there, within `connect_timeout`, always with the same session id. Finds out, the first time at each
/// portal, whether the target ends a former session for it, and whether also one that was made through the
/// path's `fence_portal`.
class IscsiDialer {
public:
    class Owner {
    public:
        /// The session is stopped. `silent`: all portals, when nobody listens at any of them; else none.
        virtual void not_reached(std::string_view why, std::span<const std::string> silent) noexcept = 0;

    protected:
        ~Owner() = default;
    };

    /// `session`: whose login its own owner hears of.
    IscsiDialer(io::Worker &worker, std::string path, const IscsiUri &uri, const base::KeyValues &values,
                IscsiSession &session, Owner &owner);

    void dial() noexcept;
    /// The session was lost before it was of use, or its unit is of none: the next portal's turn.
    void failed(std::string_view why) noexcept;
    /// The session is of use.
    void reached() noexcept;
    void cancel() noexcept;

    /// Where the session really is, or the attempt for one.
    [[nodiscard]] const std::string &portal() const noexcept { return route_.portal(); }
    /// The same as it is configured, unless the target has sent us there.
    [[nodiscard]] std::string server() const { return route_.redirected() ? portal() : uri_.portal(); }
    /// Where the last session that was of use was.
    [[nodiscard]] const std::string &last_portal() const noexcept { return last_portal_; }
    /// As which it logs in, each time.
    [[nodiscard]] const IscsiLogin &login() const noexcept { return login_; }
    /// Whether a login at that portal ends a former session there. Nothing: not known yet.
    [[nodiscard]] std::optional<bool> reinstates(const std::string &portal) const noexcept;
    /// The portal whose sessions end with a login at fence_portal(); empty: none was seen to.
    [[nodiscard]] const std::string &fenced_portal() const noexcept { return fenced_portal_; }
    [[nodiscard]] const std::string &fence_portal() const noexcept { return fence_portal_; }

private:
    void resolved() noexcept;
    void try_portal() noexcept;
    void log_in() noexcept;
    void former_failed() noexcept;
    void do_without(std::string_view why) noexcept;
    void compare_portals() noexcept;
    void follow(const std::string &address) noexcept;
    void redirect_resolved() noexcept;
    void expired() noexcept;
    void go_on(std::string_view why) noexcept;
    void give_up(std::string_view why) noexcept;
    void learn(bool reinstates);

    io::Worker &worker_;
    const std::string path_;
    const IscsiUri &uri_;
    const base::KeyValues &values_;
    const base::Duration timeout_;
    const std::string fence_portal_; ///< empty: none
    IscsiSession &session_;
    Owner &owner_;
    IscsiLogin login_;
    IscsiFormer former_;
    IscsiResolver resolver_;
    std::optional<IscsiResolver> redirect_; ///< of the host that the target sends us to
    base::Timer attempt_;
    IscsiRoute route_;
    base::TimePoint deadline_{}; ///< of the route
    std::string last_portal_;
    std::map<std::string, bool, std::less<>> reinstates_; ///< portals, as far as it is known of them
    std::string fenced_portal_;
    bool knows_fence_portal_;          ///< what it is good for, or there is none
    bool former_is_elsewhere_ = false; ///< the present one, through the fence portal
    base::TimePoint next_question_{};  ///< to the fence portal: the path is as good without
};

} // namespace backend
