// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "io/side_thread.hpp"

#include <string>
#include <vector>

namespace backend {

/// Turns a host into portals libiscsi connects to without asking anybody ("10.0.0.1:3260", "[::1]:3260").
/// Names are looked up in a short-lived thread of their own, so the loop never waits.
class IscsiResolver {
public:
    /// `done` may be called from inside resolve().
    IscsiResolver(io::Worker &worker, std::string host, std::string port, base::Delegate<> done);
    IscsiResolver(const IscsiResolver &) = delete;
    IscsiResolver &operator=(const IscsiResolver &) = delete;

    void resolve();
    /// `done` is not called any more for the present resolve().
    void cancel() noexcept { wanted_ = false; }

    /// Whether it looks for this.
    [[nodiscard]] bool is_for(const std::string &host, const std::string &port) const noexcept {
        return host == host_ && port == port_;
    }
    /// Whether a name is being looked up, be it wanted or not.
    [[nodiscard]] bool running() const noexcept { return lookup_.running(); }
    /// Empty: error() says why.
    [[nodiscard]] const std::vector<std::string> &portals() const noexcept { return found_.portals; }
    [[nodiscard]] const std::string &error() const noexcept { return found_.error; }

private:
    struct Found {
        std::vector<std::string> portals;
        std::string error;
    };
    static Found find(const std::string &host, const std::string &port, int flags);
    void resolved(Found found);

    const std::string host_;
    const std::string port_;
    const base::Delegate<> done_;
    bool wanted_ = false;
    Found found_;
    io::SideThread lookup_;
};

} // namespace backend
