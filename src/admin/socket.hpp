// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace admin {

/// A connected client.
struct Peer {
    std::string name;   ///< for the log: "unix pid 12 uid 0", "tcp 127.0.0.1:4711"
    bool local = false; ///< a unix socket, on which a close and a half-close can be told apart
};

/// Who is at the other end; on TCP also has dead peers detected and short replies sent at once.
[[nodiscard]] Peer greet_peer(int fd);

} // namespace admin
