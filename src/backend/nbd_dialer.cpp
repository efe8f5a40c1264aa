// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_dialer.hpp"

#include "base/error.hpp"
#include "io/worker.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

namespace backend {

NbdDialer::NbdDialer(io::Worker &worker, const NbdUri &uri, base::Duration idle_limit,
                     base::Delegate<int> connected, base::Delegate<std::string_view> failed)
    : worker_(worker)
    , uri_(uri)
    , idle_limit_(idle_limit)
    , on_connected_(connected)
    , on_failed_(failed)
    , lookup_(worker)
    , silence_(worker, base::Delegate<>::to<&NbdDialer::address_silent>(*this)) {}

void NbdDialer::dial(base::Duration limit) {
    dialing_ = true;
    end_ = worker_.now() + limit;
    next_ = 0;
    addresses_.clear();
    error_.clear();
    if (lookup_.running())
        return; // the resolver is still at it since an earlier try: its answer serves this one
    if (uri_.is_unix()) {
        Address address{};
        auto &path = reinterpret_cast<sockaddr_un &>(address.storage);
        path.sun_family = AF_UNIX;
        std::memcpy(path.sun_path, uri_.socket.c_str(), uri_.socket.size() + 1);
        address.length = sizeof(sockaddr_un);
        addresses_.push_back(address);
        try_next();
    } else if (find_addresses(uri_, AI_NUMERICHOST, addresses_, error_)) {
        try_next();
    } else {
        start_lookup();
    }
}

void NbdDialer::cancel() noexcept {
    dialing_ = false;
    silence_.cancel();
    watch_.close();
}

bool NbdDialer::find_addresses(const NbdUri &uri, int flags, std::vector<Address> &found,
                               std::string &error) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo *list = nullptr;
    const int result = ::getaddrinfo(uri.host.c_str(), uri.port.c_str(), &hints, &list);
    if (result != 0) {
        error = result == EAI_SYSTEM ? base::errno_text(errno) : ::gai_strerror(result);
        return false;
    }
    for (const addrinfo *at = list; at != nullptr; at = at->ai_next) {
        Address address{};
        std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
        address.length = at->ai_addrlen;
        found.push_back(address);
    }
    ::freeaddrinfo(list);
    return true;
}

void NbdDialer::start_lookup() {
    struct Found {
        std::vector<Address> addresses;
        std::string error;
    };
    const auto found = std::make_shared<Found>();
    try {
        lookup_.start(
            [found, uri = uri_](const auto &) { find_addresses(uri, 0, found->addresses, found->error); },
            [this, found] { resolved(std::move(found->addresses), found->error); });
    } catch (const base::Error &error) {
        resolved({}, error.what());
    }
}

void NbdDialer::resolved(std::vector<Address> &&addresses, const std::string &error) {
    if (!dialing_)
        return;
    addresses_ = std::move(addresses);
    if (addresses_.empty())
        fail(fmt::format("cannot resolve '{}': {}", uri_.host, error));
    else
        try_next();
}

void NbdDialer::try_next() {
    while (next_ < addresses_.size()) {
        const Address &address = addresses_[next_++];
        const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            error_ = fmt::format("cannot make a socket: {}", base::errno_text(errno));
            continue;
        }
        if (!uri_.is_unix())
            set_tcp_options(fd, idle_limit_);
        if (::connect(fd, reinterpret_cast<const sockaddr *>(&address.storage), address.length) == 0) {
            connected(fd);
            return;
        }
        if (errno == EINPROGRESS) {
            watch_ = io::FdWatch(worker_, fd);
            watch_.wait_write(base::Delegate<>::to<&NbdDialer::writable>(*this));
            const auto left = static_cast<base::Duration::rep>(addresses_.size() - next_ + 1);
            silence_.start_in((end_ - worker_.now()) / left);
            return;
        }
        // A full backlog of a unix socket is EAGAIN, at once: as good a reason to come later as any other.
        error_ = base::errno_text(errno);
        ::close(fd);
    }
    fail(fmt::format("cannot connect to {}: {}", uri_.server(), error_));
}

void NbdDialer::writable() noexcept {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(watch_.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    silence_.cancel();
    if (error == 0) {
        connected(watch_.release());
        return;
    }
    error_ = base::errno_text(error);
    watch_.close();
    try_next();
}

void NbdDialer::address_silent() noexcept {
    error_ = base::errno_text(ETIMEDOUT);
    watch_.close();
    try_next();
}

void NbdDialer::connected(int fd) {
    dialing_ = false;
    on_connected_(fd);
}

void NbdDialer::fail(std::string_view why) {
    // A copy: the callee may dial again, which clears what `why` may point to.
    const std::string text(why);
    cancel();
    on_failed_(text);
}

void NbdDialer::set_tcp_options(int fd, base::Duration idle_limit) noexcept {
    const auto set = [fd](int level, int name, int value) noexcept {
        ::setsockopt(fd, level, name, &value, sizeof value);
    };
    constexpr int probe_seconds = 5;
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(idle_limit).count();
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, probe_seconds);
    set(IPPROTO_TCP, TCP_KEEPINTVL, probe_seconds);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(limit));
}

} // namespace backend
