// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/service_manager.hpp"

#include "base/text.hpp"
#include "daemon/variable.hpp"
#include "io/socket.hpp"

#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace nbdmpathd {

namespace {

base::Duration watchdog_interval() {
    const auto time = base::parse_number(take_variable("WATCHDOG_USEC"));
    const std::string pid = take_variable("WATCHDOG_PID");
    const bool ours = pid.empty() || base::parse_number(pid) == static_cast<std::uint64_t>(::getpid());
    return ours && time ? std::chrono::microseconds(*time / 2) : base::Duration::zero();
}

} // namespace

ServiceManager::ServiceManager(base::Scheduler &scheduler)
    : address_(take_variable("NOTIFY_SOCKET"))
    , watchdog_(watchdog_interval())
    , timer_(scheduler, base::Delegate<>::to<&ServiceManager::still_alive>(*this)) {
    if (address_.starts_with('@'))
        address_[0] = '\0';
    if (address_.size() >= sizeof(sockaddr_un::sun_path))
        address_.clear();
}

void ServiceManager::ready(std::string_view status) noexcept {
    send(fmt::format("READY=1\nSTATUS={}", status));
    still_alive();
}

void ServiceManager::stopping() noexcept { send("STOPPING=1\nSTATUS=shutting down"); }

void ServiceManager::still_alive() noexcept {
    if (address_.empty() || watchdog_ == base::Duration::zero())
        return;
    send("WATCHDOG=1");
    timer_.start_in(watchdog_);
}

// Nobody waits for an answer, so nothing is to be done when it fails.
void ServiceManager::send(std::string_view text) noexcept {
    if (address_.empty())
        return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, address_.data(), address_.size());
    const io::Socket socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ::sendto(socket.fd(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr *>(&address),
             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size()));
}

} // namespace nbdmpathd
