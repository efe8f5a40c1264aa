// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_uri.hpp"

#include <iscsi/iscsi.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backend {

/// Where the target sends us (RFC 7143, 6.1 and 13.8), in the callback of a login that ended with `status`;
/// empty: nowhere. The target's text, as it came.
std::string redirect_of(iscsi_context *context, int status);

/// Host and port in such a text: `host[:port][,portal group]`. Throws base::Error(EINVAL), on one line.
IscsiUri parse_target_address(std::string_view text);

/// The portals to log in at, one after another; where one sends us comes next.
class IscsiRoute {
public:
    /// Each of these, as far as none before it will do.
    void begin(const std::vector<std::string> &portals);
    /// Goes on to the next one. False: there is none.
    bool next();
    /// The present portal sends us to a host that has these: they are next. Throws base::Error(ELOOP) when it
    /// has sent us round, or too far.
    void follow(std::span<const std::string> portals);
    /// Nobody listens at the present portal.
    void refused() { silent_.push_back(portal_); }

    [[nodiscard]] const std::string &portal() const noexcept { return portal_; }
    /// Whether the target has sent us there.
    [[nodiscard]] bool redirected() const noexcept { return !before_.empty(); }
    /// The way to the present portal: "a -> b".
    [[nodiscard]] std::string text() const;
    /// The present one and those that will be tried.
    [[nodiscard]] std::size_t left() const noexcept { return ways_.size() + 1; }
    /// All portals, when every one was tried and nobody listens at any; else none.
    [[nodiscard]] std::span<const std::string> silent() const noexcept;

private:
    struct Way {
        std::vector<std::string> before; ///< those that have sent us on
        std::string portal;
    };

    std::vector<Way> ways_; ///< the next one at the end
    std::vector<std::string> before_;
    std::string portal_;
    std::size_t tried_ = 0;
    std::vector<std::string> silent_;
};

} // namespace backend
