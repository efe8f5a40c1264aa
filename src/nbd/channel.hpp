// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io/fd_watch.hpp"
#include "io/socket.hpp"
#include "nbd/tls_stream.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <sys/types.h>
#include <sys/uio.h>

namespace nbd {

/// A connected socket, and the TLS on it, on the way from one worker to another.
struct Link {
    io::Socket socket;
    std::unique_ptr<TlsStream> tls{}; ///< none: plain
};

/// The bytes of one client's connection, in and out, and their readiness, on one worker. Negotiation and
/// session know no other way to the socket, and not whether TLS comes between.
class Channel {
public:
    enum class Peer : std::uint8_t {
        here,
        finished, ///< sends no more; may still read
        gone,
    };

    Channel(io::Worker &worker, Link link)
        : watch_(worker, link.socket.release())
        , tls_(std::move(link.tls)) {}

    /// Never wait. Bytes, 0 at the end of the stream, or -1 with errno: EAGAIN means wait_read(),
    /// wait_write(), anything else that the connection is lost.
    ssize_t receive(std::span<const iovec> pieces) noexcept;
    ssize_t send(std::span<const iovec> pieces) noexcept;

    /// As send(), what is in a pipe, without a copy; only where forwards().
    ssize_t forward(int pipe, std::size_t bytes) noexcept;
    [[nodiscard]] bool forwards() const noexcept { return tls_ == nullptr; }

    void wait_read(base::Delegate<> ready) { watch_.wait_read(ready); }
    void wait_write(base::Delegate<> ready) { watch_.wait_write(ready); }
    /// Whether something could be received now, and what is known of the peer without receiving.
    [[nodiscard]] bool has_input() const noexcept;
    [[nodiscard]] Peer peer() const noexcept;
    /// Something was received from the socket already, so that its readiness may not tell.
    [[nodiscard]] bool has_buffered_input() const noexcept { return tls_ != nullptr && tls_->has_input(); }

    /// From here on there is TLS, which begins with its handshake().
    void start_tls(std::shared_ptr<const TlsCredentials> credentials);
    [[nodiscard]] TlsStream *tls() noexcept { return tls_.get(); }

    /// Tells the peer that we send no more.
    void finish_sending() noexcept;
    void close() noexcept { watch_.close(); }
    /// Gives the connection to another worker; nothing is waited for any more.
    [[nodiscard]] Link release() noexcept { return {io::Socket(watch_.release()), std::move(tls_)}; }

private:
    io::FdWatch watch_;
    std::unique_ptr<TlsStream> tls_;
};

} // namespace nbd
