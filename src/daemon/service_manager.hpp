// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"

#include <string>
#include <string_view>

namespace nbdmpathd {

/// Tells the one who started us how we are, by datagrams to $NOTIFY_SOCKET; without that variable it does
/// nothing. With $WATCHDOG_USEC (and our pid in $WATCHDOG_PID, or none) also that the control loop turns,
/// twice as often as asked for. Made before there are threads; the variables are gone afterwards.
class ServiceManager {
public:
    explicit ServiceManager(base::Scheduler &scheduler);

    /// `status`: a line for people.
    void ready(std::string_view status) noexcept;
    void stopping() noexcept;

private:
    void send(std::string_view text) noexcept;
    void still_alive() noexcept;

    std::string address_; ///< as in sockaddr_un: an abstract one begins with NUL; empty: nobody to tell
    base::Duration watchdog_{};
    base::Timer timer_;
};

} // namespace nbdmpathd
