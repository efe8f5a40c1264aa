// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/tls_credentials.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <sys/types.h>
#include <sys/uio.h>
#include <vector>

struct bio_st;

namespace nbd {

/// The server's side of TLS on a connected, non-blocking socket, which stays the caller's. On one worker at a
/// time; it may move to another one. Never waits. Hot path.
class TlsStream {
public:
    enum class Step {
        done,
        want_read, ///< again when the socket is readable
        want_write,
        failed, ///< see error()
    };

    /// Throws base::Error(ENOMEM).
    TlsStream(std::shared_ptr<const TlsCredentials> credentials, int fd);
    TlsStream(const TlsStream &) = delete;
    TlsStream &operator=(const TlsStream &) = delete;
    ~TlsStream();

    Step handshake() noexcept;

    /// As readv() and sendmsg(): bytes, 0 at the end of the stream, -1 with errno. receive() takes all there
    /// is room for. After a send() that took less than it was given, the next one has to begin with the byte
    /// behind those taken.
    ssize_t receive(std::span<const iovec> pieces) noexcept;
    ssize_t send(std::span<const iovec> pieces) noexcept;
    /// Whether receive() may have something that the socket does not show any more.
    [[nodiscard]] bool has_input() const noexcept;
    /// Says goodbye, if the socket takes it.
    void finish_sending() noexcept;

    /// After the handshake, who the peer is: the user of a shared key, or the certificate's subject, its
    /// common name and its alternative names. Empty: it did not say.
    [[nodiscard]] std::vector<std::string> identities() const;
    /// Why the handshake failed.
    [[nodiscard]] const std::string &error() const noexcept { return error_; }

private:
    struct Transport;
    bool flush() noexcept;
    ssize_t write_some(std::span<const iovec> pieces, std::size_t &sent) noexcept;

    // Kept by the connection: keys are looked up in it, and a reload replaces the server's own.
    std::shared_ptr<const TlsCredentials> credentials_;
    int fd_;
    ssl_st *connection_;
    std::vector<std::byte> unsent_; ///< of what is encrypted
    /// Of the caller's next bytes: encrypted already, but reported only when they have left completely.
    std::size_t withheld_ = 0;
    std::vector<std::byte> *sink_ = &unsent_; ///< where what is encrypted goes to
    bool broken_ = false;
    std::string user_; ///< of a shared key
    std::string error_;
};

} // namespace nbd
