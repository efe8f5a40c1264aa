// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io/fd_watch.hpp"
#include "io/socket.hpp"

#include <cstdint>
#include <span>
#include <sys/types.h>
#include <sys/uio.h>

namespace nbd {

/// The bytes of one client's connection, in and out, and their readiness, on one worker. Negotiation and
/// session know no other way to the socket, so that what comes between (TLS) has one place.
class Channel {
public:
    enum class Peer : std::uint8_t {
        here,
        finished, ///< sends no more; may still read
        gone,
    };

    Channel(io::Worker &worker, io::Socket socket)
        : watch_(worker, socket.release()) {}

    /// Never wait. Bytes, 0 at the end of the stream, or -1 with errno: EAGAIN means wait_read(),
    /// wait_write(), anything else that the connection is lost.
    ssize_t receive(std::span<const iovec> pieces) noexcept;
    ssize_t send(std::span<const iovec> pieces) noexcept;

    void wait_read(base::Delegate<> ready) { watch_.wait_read(ready); }
    void wait_write(base::Delegate<> ready) { watch_.wait_write(ready); }
    /// Whether something could be received now, and what is known of the peer without receiving.
    [[nodiscard]] bool has_input() const noexcept;
    [[nodiscard]] Peer peer() const noexcept;

    /// Tells the peer that we send no more.
    void finish_sending() noexcept;
    void close() noexcept { watch_.close(); }
    /// Gives the connection to another worker; nothing is waited for any more.
    [[nodiscard]] io::Socket release() noexcept { return io::Socket(watch_.release()); }

private:
    io::FdWatch watch_;
};

} // namespace nbd
