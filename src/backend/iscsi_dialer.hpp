// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_former.hpp"
#include "backend/iscsi_login.hpp"
#include "backend/iscsi_resolver.hpp"
#include "backend/iscsi_session.hpp"
#include "backend/iscsi_uri.hpp"
#include "base/keys.hpp"

#include <optional>

namespace backend {

/// Gets a session to log in at one of a target's portals, one after another, within `connect_timeout`, always
/// with the same session id. Finds out, the first time, whether the target ends a former session for it.
class IscsiDialer {
public:
    class Owner {
    public:
        /// The session is stopped. `nobody_listens`: at none of the portals.
        virtual void not_reached(std::string_view why, bool nobody_listens) noexcept = 0;

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

    /// Of the session, or of the attempt for one.
    [[nodiscard]] const std::string &portal() const noexcept { return portal_; }
    /// Nothing: not known yet.
    [[nodiscard]] const std::optional<bool> &reinstates() const noexcept { return reinstates_; }

private:
    void resolved() noexcept;
    void try_portal() noexcept;
    void log_in() noexcept;
    void former_failed() noexcept { failed(former_.why()); }
    void expired() noexcept;
    void give_up(std::string_view why, bool nobody_listens) noexcept;

    const std::string path_;
    const IscsiUri &uri_;
    const base::KeyValues &values_;
    const base::Duration timeout_;
    IscsiSession &session_;
    Owner &owner_;
    IscsiLogin login_;
    IscsiFormer former_;
    IscsiResolver resolver_;
    base::Timer attempt_;
    std::string portal_;
    std::size_t next_portal_ = 0;
    std::size_t refusals_ = 0; ///< portals at which nobody listens
    std::optional<bool> reinstates_;
};

} // namespace backend
