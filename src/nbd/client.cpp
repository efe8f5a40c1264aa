// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h> // after sys/socket.h, which it needs

namespace nbd {

namespace {

Client of_process(int fd) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
    Client made;
    made.peer = fmt::format("unix:{}", credentials.pid);
    made.address = base::Address::numbered(base::Address::Kind::unix_socket,
                                           static_cast<std::uint32_t>(credentials.pid));
    return made;
}

Client of_address(const sockaddr_storage &address) {
    Client made;
    char host[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) {
        const auto &v4 = reinterpret_cast<const sockaddr_in &>(address);
        ::inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        made.peer = fmt::format("{}:{}", host, ntohs(v4.sin_port));
        made.address = base::Address::ip_v4(&v4.sin_addr);
    } else if (address.ss_family == AF_INET6) {
        const auto &v6 = reinterpret_cast<const sockaddr_in6 &>(address);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        made.peer = fmt::format("[{}]:{}", host, ntohs(v6.sin6_port));
        made.address = base::Address::ip_v6(&v6.sin6_addr);
    } else if (address.ss_family == AF_VSOCK) {
        const auto &vsock = reinterpret_cast<const sockaddr_vm &>(address);
        made.peer = fmt::format("vsock:{}:{}", vsock.svm_cid, vsock.svm_port);
        made.address = base::Address::numbered(base::Address::Kind::vsock, vsock.svm_cid);
    }
    return made;
}

} // namespace

Client client_of(int fd, std::uint64_t number) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    Client made;
    if (::getpeername(fd, reinterpret_cast<sockaddr *>(&address), &length) != 0)
        made.peer = "unknown";
    else
        made = address.ss_family == AF_UNIX ? of_process(fd) : of_address(address);
    made.number = number;
    return made;
}

} // namespace nbd
