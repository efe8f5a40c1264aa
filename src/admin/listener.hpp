// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "admin/session.hpp"
#include "io/fd_watch.hpp"
#include "io/listening_socket.hpp"

#include <list>

namespace admin {

/// One listening socket and its sessions. Control loop only. With as many sessions as it may have it accepts
/// no more until one ends: the others wait in the kernel's queue.
class Listener {
public:
    Listener(const Session::Surroundings &surroundings, std::size_t most_sessions,
             io::ListeningSocket socket);
    Listener(const Listener &) = delete;
    Listener &operator=(const Listener &) = delete;
    /// Closes every session.
    ~Listener();

    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_.size(); }

private:
    void acceptable() noexcept;
    void reap() noexcept;
    void session_ended() noexcept;

    Session::Surroundings surroundings_;
    std::size_t most_sessions_;
    io::ListeningSocket socket_; ///< without its descriptor, which the watch has
    io::FdWatch watch_;
    std::list<Session> sessions_;
    base::Task reap_;
    base::Timer retry_;
};

} // namespace admin
