// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <utility>

namespace io {

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

} // namespace io
