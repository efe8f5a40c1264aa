// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "nbd/listener.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace nbd {

namespace {

sockaddr_un unix_address(const std::string &path) {
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof address.sun_path)
        throw base::Error(ENAMETOOLONG, "cannot listen on '{}': a socket path has 1 to {} characters", path,
                          sizeof address.sun_path - 1);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Socket make_socket(int family, const std::string &name) {
    Socket made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made.open())
        throw base::Error(errno, "cannot listen on {}: {}", name, base::errno_text(errno));
    return made;
}

bool bind_unix(const Socket &socket, const sockaddr_un &address) {
    return ::bind(socket.fd(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0;
}

// Only a refused connect proves that nobody listens there any more.
void remove_stale(const sockaddr_un &address, const std::string &path) {
    struct stat state {};
    if (::lstat(path.c_str(), &state) != 0)
        return;
    if (!S_ISSOCK(state.st_mode))
        throw base::Error(
            EEXIST,
            "cannot listen on {}: there is a file that is no socket; remove it or choose another path", path);
    const Socket probe = make_socket(AF_UNIX, path);
    const int result = ::connect(probe.fd(), reinterpret_cast<const sockaddr *>(&address), sizeof address);
    if (result == 0 || errno != ECONNREFUSED)
        throw base::Error(EADDRINUSE, "cannot listen on {}: another process is listening there", path);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        throw base::Error(errno, "cannot remove the stale socket {}: {}", path, base::errno_text(errno));
}

std::string bound_name(const Socket &socket) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    char host[NI_MAXHOST] = "";
    char port[NI_MAXSERV] = "";
    ::getsockname(socket.fd(), reinterpret_cast<sockaddr *>(&address), &length);
    ::getnameinfo(reinterpret_cast<const sockaddr *>(&address), length, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV);
    return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                         : fmt::format("{}:{}", host, port);
}

ListeningSocket listen_on(const addrinfo &address, const std::string &wanted) {
    ListeningSocket made;
    made.socket = make_socket(address.ai_family, wanted);
    const int on = 1;
    ::setsockopt(made.socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ai_family == AF_INET6)
        ::setsockopt(made.socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(made.socket.fd(), address.ai_addr, address.ai_addrlen) != 0 ||
        ::listen(made.socket.fd(), SOMAXCONN) != 0)
        throw base::Error(errno, "cannot listen on {}: {}", wanted, base::errno_text(errno));
    made.name = bound_name(made.socket);
    return made;
}

} // namespace

ListeningSocket ListeningSocket::open_unix(const std::string &path, mode_t mode) {
    const sockaddr_un address = unix_address(path);
    ListeningSocket made;
    made.socket = make_socket(AF_UNIX, path);
    bool bound = bind_unix(made.socket, address);
    if (!bound && errno == EADDRINUSE) {
        remove_stale(address, path);
        bound = bind_unix(made.socket, address);
    }
    if (!bound)
        throw base::Error(errno, "cannot listen on {}: {}", path, base::errno_text(errno));
    made.name = made.path = path;
    struct stat state {};
    // The mode before listen(): until then nobody can connect.
    if (::chmod(path.c_str(), mode) != 0 || ::lstat(path.c_str(), &state) != 0 ||
        ::listen(made.socket.fd(), SOMAXCONN) != 0)
        throw base::Error(errno, "cannot listen on {}: {}", path, base::errno_text(errno));
    made.device = state.st_dev;
    made.inode = state.st_ino;
    return made;
}

std::vector<ListeningSocket> ListeningSocket::open_tcp(const std::string &host, std::uint16_t port) {
    const std::string wanted = fmt::format("{}:{}", host, port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo *found = nullptr;
    const int result =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (result != 0)
        throw base::Error(EADDRNOTAVAIL, "cannot listen on {}: {}", wanted, ::gai_strerror(result));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
    std::vector<ListeningSocket> made;
    for (const addrinfo *at = found; at != nullptr; at = at->ai_next) {
        // "All addresses" on a machine without IPv6 means the others.
        const Socket probe(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!probe.open() && errno == EAFNOSUPPORT && at->ai_next != nullptr)
            continue;
        made.push_back(listen_on(*at, wanted));
    }
    return made;
}

void ListeningSocket::unlink_if_ours() noexcept {
    struct stat state {};
    if (!path.empty() && ::lstat(path.c_str(), &state) == 0 && state.st_dev == device &&
        state.st_ino == inode)
        ::unlink(path.c_str());
}

} // namespace nbd
