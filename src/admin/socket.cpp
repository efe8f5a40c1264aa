// SPDX-License-Identifier: BSD-3-Clause
#include "admin/socket.hpp"

#include "base/error.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace admin {

namespace {

/// Closes what is not released.
class Descriptor {
public:
    explicit Descriptor(int fd) noexcept
        : fd_(fd) {}
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;
    ~Descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

[[noreturn]] void throw_errno(const std::string &what) {
    const int code = errno;
    throw base::Error(code, "{}: {}", what, base::errno_text(code));
}

int open_stream(int family) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        throw_errno("cannot open a socket for the admin console");
    return fd;
}

const sockaddr *generic(const void *address) noexcept { return static_cast<const sockaddr *>(address); }

/// Takes a stale socket away: one that nobody listens on.
void remove_stale(const std::string &path, const sockaddr_un &address) {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0)
        return; // gone meanwhile: the next bind tells
    if (!S_ISSOCK(found.st_mode))
        throw base::Error(EEXIST, "admin socket {}: exists and is not a socket", path);
    const Descriptor probe(open_stream(AF_UNIX));
    if (::connect(probe.get(), generic(&address), sizeof address) == 0 || errno != ECONNREFUSED)
        throw base::Error(EADDRINUSE, "admin socket {}: another process listens on it", path);
    if (::unlink(path.c_str()) != 0)
        throw_errno(fmt::format("admin socket {}: cannot remove the stale one", path));
}

struct Freed {
    void operator()(addrinfo *list) const noexcept { ::freeaddrinfo(list); }
};

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

int listen_unix(const std::string &path, mode_t mode) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        throw base::Error(ENAMETOOLONG, "admin socket '{}': a path of 1 to {} bytes is needed", path,
                          sizeof address.sun_path - 1);
    std::memcpy(address.sun_path, path.data(), path.size());
    Descriptor socket(open_stream(AF_UNIX));
    // Before bind(): there is no moment at which the socket is open to more than it shall be.
    ::fchmod(socket.get(), mode);
    int result = ::bind(socket.get(), generic(&address), sizeof address);
    if (result != 0 && errno == EADDRINUSE) {
        remove_stale(path, address);
        result = ::bind(socket.get(), generic(&address), sizeof address);
    }
    if (result != 0)
        throw_errno(fmt::format("admin socket {}", path));
    // Again: the umask has taken from it.
    if (::chmod(path.c_str(), mode) != 0 || ::listen(socket.get(), SOMAXCONN) != 0)
        throw_errno(fmt::format("admin socket {}", path));
    return socket.release();
}

int listen_tcp(const std::string &address, std::uint16_t port) {
    const std::string name = fmt::format("admin address {} port {}", address, port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo *found = nullptr;
    const int error = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0)
        throw base::Error(EINVAL, "{}: {}", name, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, Freed> list(found);
    Descriptor socket(open_stream(list->ai_family));
    set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (list->ai_family == AF_INET6)
        set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (::bind(socket.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(socket.get(), SOMAXCONN) != 0)
        throw_errno(name);
    return socket.release();
}

std::uint16_t local_port(int fd) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getsockname(fd, static_cast<sockaddr *>(static_cast<void *>(&storage)), &length) != 0)
        throw_errno("cannot read the admin socket's address");
    sockaddr_in v4{}; // the port is at the same place in both families
    std::memcpy(&v4, &storage, sizeof v4);
    return ntohs(v4.sin_port);
}

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
