// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
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

    /// All throw base::Error with the address in its text. A stale socket file is taken over.
    void listen_unix(const std::string &path, mode_t mode = 0600);
    /// The port is returned, which tells what 0 became. Who may reach the address is the configuration's
    /// business.
    std::uint16_t listen_tcp(const std::string &address, std::uint16_t port);
    /// A listening socket that somebody else opened: systemd. Takes it over.
    void listen_on(int fd);

    /// Ends every session at once, cancels what waits in them, and removes the socket files. Not from inside
    /// a command.
    void close() noexcept;

    [[nodiscard]] std::size_t sessions() const noexcept;

private:
    Listener &add(int fd, std::string path);

    io::Worker &control_;
    command::Maps &maps_;
    Limits limits_;
    std::vector<std::unique_ptr<Listener>> listeners_;
};

} // namespace admin
