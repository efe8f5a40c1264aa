// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace admin {

/// Opens a listening unix socket with exactly this mode, in place of a stale one. Throws base::Error:
/// EADDRINUSE when somebody listens there, EEXIST when the path is something else.
[[nodiscard]] int listen_unix(const std::string &path, mode_t mode);

/// Opens a listening TCP socket on an address ("127.0.0.1", "::1", "localhost"). Throws base::Error.
[[nodiscard]] int listen_tcp(const std::string &address, std::uint16_t port);

/// The port of a listening TCP socket.
[[nodiscard]] std::uint16_t local_port(int fd);

/// A connected client.
struct Peer {
    std::string name;   ///< for the log: "unix pid 12 uid 0", "tcp 127.0.0.1:4711"
    bool local = false; ///< a unix socket, on which a close and a half-close can be told apart
};

/// Who is at the other end; on TCP also has dead peers detected and short replies sent at once.
[[nodiscard]] Peer greet_peer(int fd);

} // namespace admin
