// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io/listening_socket.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace io {
class Worker;
}
namespace command {
class Maps;
}

namespace admin {

class Listener;

struct Limits {
    std::size_t sessions = 64;          ///< of each listening socket
    std::size_t unsent_bytes = 1 << 20; ///< of a session whose client asked for events and does not read them
};

/// The line-oriented console (interface contract, "Admin protocol") on any number of sockets. Made, used and
/// destroyed on the control loop's thread, or while that loop does not run; the worker and the maps outlive
/// it.
class Server {
public:
    Server(io::Worker &control, command::Maps &maps, const Limits &limits = {});
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;
    ~Server();

    /// Begins to accept on the socket.
    void listen(io::ListeningSocket socket);

    /// Ends every session at once, cancels what waits in them, and removes the socket files. Not from inside
    /// a command.
    void close() noexcept;

    [[nodiscard]] std::size_t sessions() const noexcept;

private:
    io::Worker &control_;
    command::Maps &maps_;
    Limits limits_;
    std::vector<std::unique_ptr<Listener>> listeners_;
};

} // namespace admin
