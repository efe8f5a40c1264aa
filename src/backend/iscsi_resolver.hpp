// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"

#include <memory>
#include <string>
#include <vector>

namespace io {
class Worker;
}

namespace backend {

/// Turns a host into portals libiscsi connects to without asking anybody ("10.0.0.1:3260", "[::1]:3260").
/// Names are looked up in a short-lived thread of their own, so the loop never waits.
class IscsiResolver {
public:
    /// `done` may be called from inside resolve().
    IscsiResolver(io::Worker &worker, std::string host, std::string port, base::Delegate<> done);
    IscsiResolver(const IscsiResolver &) = delete;
    IscsiResolver &operator=(const IscsiResolver &) = delete;
    ~IscsiResolver();

    void resolve();
    /// `done` is not called any more for the present resolve().
    void cancel() noexcept { wanted_ = false; }

    /// Empty: error() says why.
    [[nodiscard]] const std::vector<std::string> &portals() const noexcept { return portals_; }
    [[nodiscard]] const std::string &error() const noexcept { return error_; }

private:
    struct Lookup;
    static void look_up(const std::shared_ptr<Lookup> &lookup);
    void resolved();

    io::Worker &worker_;
    const std::string host_;
    const std::string port_;
    const base::Delegate<> done_;
    bool wanted_ = false;
    std::vector<std::string> portals_;
    std::string error_;
    // Shared with the thread, which may outlive us: getaddrinfo() cannot be interrupted.
    std::shared_ptr<Lookup> lookup_;
};

} // namespace backend
