// SPDX-License-Identifier: BSD-3-Clause
#include "io/listening_socket.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h> // after sys/socket.h, which it needs

namespace io {

namespace {

constexpr char abstract_mark = '@';

struct UnixAddress {
    sockaddr_un address{};
    socklen_t length = sizeof address;
};

UnixAddress unix_address(const std::string &path) {
    UnixAddress made;
    if (path.empty() || path.size() >= sizeof made.address.sun_path)
        throw base::Error(ENAMETOOLONG, "cannot listen on '{}': a socket path has 1 to {} characters", path,
                          sizeof made.address.sun_path - 1);
    made.address.sun_family = AF_UNIX;
    std::memcpy(made.address.sun_path, path.data(), path.size());
    if (path.front() == abstract_mark) {
        // Every byte up to the length belongs to such a name.
        made.address.sun_path[0] = '\0';
        made.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    }
    return made;
}

Socket make_socket(int family, const std::string &name) {
    Socket made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made.open())
        throw base::Error(errno, "cannot listen on {}: {}", name, base::errno_text(errno));
    return made;
}

template <typename Address>
bool bind_to(const Socket &socket, const Address &address, socklen_t length) {
    return ::bind(socket.fd(), reinterpret_cast<const sockaddr *>(&address), length) == 0;
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

std::string tcp_name(const sockaddr_storage &address, socklen_t length) {
    char host[NI_MAXHOST] = "";
    char port[NI_MAXSERV] = "";
    ::getnameinfo(reinterpret_cast<const sockaddr *>(&address), length, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV);
    return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                         : fmt::format("{}:{}", host, port);
}

std::string unix_name(const sockaddr_storage &storage, socklen_t length) {
    sockaddr_un address{};
    std::memcpy(&address, &storage, sizeof address);
    const std::size_t size = length - offsetof(sockaddr_un, sun_path);
    if (size == 0 || address.sun_path[0] != '\0')
        return address.sun_path;
    return abstract_mark + std::string(address.sun_path + 1, size - 1);
}

std::string vsock_name(std::uint32_t cid, std::uint32_t port) {
    return cid == VMADDR_CID_ANY ? fmt::format("vsock:{}", port) : fmt::format("vsock:{}:{}", cid, port);
}

std::string bound_name(const Socket &socket) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(socket.fd(), reinterpret_cast<sockaddr *>(&address), &length) != 0)
        throw base::Error(errno, "descriptor {} is not a socket", socket.fd());
    if (address.ss_family == AF_UNIX)
        return unix_name(address, length);
    if (address.ss_family == AF_VSOCK) {
        const auto &vsock = reinterpret_cast<const sockaddr_vm &>(address);
        return vsock_name(vsock.svm_cid, vsock.svm_port);
    }
    return tcp_name(address, length);
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

// Before listen(): until then nobody can connect.
void own_file(ListeningSocket &made, const FileRights &rights) {
    const char *path = made.name.c_str();
    made.path = made.name;
    struct stat state {};
    if (::lstat(path, &state) != 0)
        throw base::Error(errno, "cannot listen on {}: {}", path, base::errno_text(errno));
    made.device = state.st_dev;
    made.inode = state.st_ino;
    constexpr auto unchanged = static_cast<uid_t>(-1);
    const bool given = (rights.owner || rights.group);
    if ((given && ::chown(path, rights.owner.value_or(unchanged), rights.group.value_or(unchanged)) != 0) ||
        ::chmod(path, rights.mode) != 0) {
        const int error = errno;
        made.unlink_if_ours();
        throw base::Error(error, "cannot set owner, group and mode of {}: {}", path, base::errno_text(error));
    }
}

} // namespace

ListeningSocket ListeningSocket::open_unix(const std::string &path, const FileRights &rights) {
    const UnixAddress address = unix_address(path);
    ListeningSocket made;
    made.socket = make_socket(AF_UNIX, path);
    made.name = path;
    const bool file = path.front() != abstract_mark;
    bool bound = bind_to(made.socket, address.address, address.length);
    if (!bound && errno == EADDRINUSE && file) {
        remove_stale(address.address, path);
        bound = bind_to(made.socket, address.address, address.length);
    }
    if (bound && file)
        own_file(made, rights);
    if (!bound || ::listen(made.socket.fd(), SOMAXCONN) != 0)
        throw base::Error(errno, "cannot listen on {}: {}", path, base::errno_text(errno));
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

ListeningSocket ListeningSocket::open_vsock(std::optional<std::uint32_t> cid, std::uint32_t port) {
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid.value_or(VMADDR_CID_ANY);
    address.svm_port = port;
    ListeningSocket made;
    made.name = vsock_name(address.svm_cid, port);
    made.socket = make_socket(AF_VSOCK, made.name);
    if (!bind_to(made.socket, address, sizeof address) || ::listen(made.socket.fd(), SOMAXCONN) != 0)
        throw base::Error(errno, "cannot listen on {}: {}", made.name, base::errno_text(errno));
    return made;
}

ListeningSocket ListeningSocket::adopt(Socket socket) {
    ListeningSocket made;
    made.name = bound_name(socket);
    int listening = 0;
    socklen_t length = sizeof listening;
    if (::getsockopt(socket.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0)
        throw base::Error(EINVAL, "descriptor {} is not a listening socket", socket.fd());
    made.socket = std::move(socket);
    return made;
}

void ListeningSocket::unlink_if_ours() noexcept {
    struct stat state {};
    if (!path.empty() && ::lstat(path.c_str(), &state) == 0 && state.st_dev == device &&
        state.st_ino == inode)
        ::unlink(path.c_str());
}

} // namespace io
