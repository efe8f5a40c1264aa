// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.hpp"
#include "io/listening_socket.hpp"

#include <string>
#include <vector>

namespace nbdmpathd {

/// The listening sockets that the one who started us opened (socket activation). Taken once, before there
/// are threads: the environment variables that tell of them are gone afterwards.
class ActivatedSockets {
public:
    ActivatedSockets() = default;
    /// Throws base::Error when what was handed over cannot be listened on.
    static ActivatedSockets from_environment();

    /// For NBD clients: every one that is not named `admin`.
    std::vector<io::ListeningSocket> nbd;
    std::vector<io::ListeningSocket> admin;
};

/// A socket, and the entry of the configuration that it stands for; none: handed over only.
struct OpenedSocket {
    io::ListeningSocket socket;
    const config::Listener *listener = nullptr;
};

/// Opens what the configuration lists, and adds what was handed over. An entry whose address a socket that
/// was handed over has already is that socket. Throws base::Error.
std::vector<OpenedSocket> open_sockets(const std::vector<config::Listener> &listeners,
                                       std::vector<io::ListeningSocket> activated);

} // namespace nbdmpathd
