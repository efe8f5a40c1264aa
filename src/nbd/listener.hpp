// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "base/scheduler.hpp"
#include "io/fd_watch.hpp"
#include "nbd/socket.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace nbd {

/// A listening socket, and for a unix one the file it stands for. Opening throws base::Error.
struct ListeningSocket {
    Socket socket;
    std::string name; ///< for people: the path, or "127.0.0.1:10809" with the port that was really taken
    std::string path; ///< unix only
    dev_t device = 0;
    ino_t inode = 0;

    /// Takes over a socket file nobody listens on. `mode`: its permissions.
    static ListeningSocket open_unix(const std::string &path, mode_t mode);
    /// One socket for each address of `host`; empty: all addresses, v6 and v4. Port 0: any.
    static std::vector<ListeningSocket> open_tcp(const std::string &host, std::uint16_t port);
    /// Removes the file if it is still the one we made.
    void unlink_if_ours() noexcept;
};

/// Accepts on one socket, in batches, on the control worker, as long as its owner has room.
class Listener {
public:
    /// What a listener asks and tells its server.
    class Owner {
    public:
        [[nodiscard]] virtual bool has_room() const noexcept = 0;
        virtual void accepted(Socket socket) = 0;

    protected:
        ~Owner() = default;
    };

    Listener(io::Worker &worker, Owner &owner, ListeningSocket socket);
    ~Listener();

    /// Goes on after has_room() was false.
    void resume() noexcept;
    [[nodiscard]] const std::string &name() const noexcept { return socket_.name; }

private:
    void accept_batch() noexcept;

    Owner &owner_;
    ListeningSocket socket_;
    io::FdWatch watch_;
    base::Timer retry_; ///< after the system ran out of descriptors or memory
    bool complained_ = false;
};

} // namespace nbd
