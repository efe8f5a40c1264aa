// SPDX-License-Identifier: BSD-3-Clause
#include "admin/socket.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace admin {

namespace {

std::string describe(const sockaddr_storage &storage) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (storage.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &storage, sizeof v4);
        ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
        return fmt::format("tcp {}:{}", text.data(), ntohs(v4.sin_port));
    }
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &storage, sizeof v6);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
        return fmt::format("tcp [{}]:{}", text.data(), ntohs(v6.sin6_port));
    }
    return "unknown peer";
}

void set_option(int fd, int level, int option, int value) noexcept {
    ::setsockopt(fd, level, option, &value, sizeof value);
}

} // namespace

Peer greet_peer(int fd) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getpeername(fd, static_cast<sockaddr *>(static_cast<void *>(&storage)), &length) != 0)
        return {"unknown peer", false};
    if (storage.ss_family == AF_UNIX) {
        ucred credentials{};
        socklen_t size = sizeof credentials;
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
            return {"unix", true};
        return {fmt::format("unix pid {} uid {}", credentials.pid, credentials.uid), true};
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    return {describe(storage), false};
}

} // namespace admin
