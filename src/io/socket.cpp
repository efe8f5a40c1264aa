// SPDX-License-Identifier: BSD-3-Clause
#include "io/socket.hpp"

#include <unistd.h>

namespace io {

Socket &Socket::operator=(Socket &&other) noexcept {
    if (this != &other) {
        close();
        fd_ = other.release();
    }
    return *this;
}

void Socket::close() noexcept {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

} // namespace io
