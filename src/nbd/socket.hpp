// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>

namespace nbd {

/// Owns a descriptor and closes it.
class Socket {
public:
    Socket() = default;
    explicit Socket(int fd) noexcept
        : fd_(fd) {}
    Socket(Socket &&other) noexcept
        : fd_(std::exchange(other.fd_, -1)) {}
    Socket &operator=(Socket &&other) noexcept;
    ~Socket() { close(); }

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void close() noexcept;

private:
    int fd_ = -1;
};

/// Options of an accepted connection, before anything is sent on it. Failures do not matter.
void prepare_accepted(int fd) noexcept;
/// Whom a connected socket talks to, for people: "10.0.0.7:41022", "[::1]:41022", "unix".
std::string peer_text(int fd);

} // namespace nbd
