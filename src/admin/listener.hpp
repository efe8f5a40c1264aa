// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "admin/session.hpp"
#include "io/fd_watch.hpp"

#include <list>
#include <string>

namespace admin {

/// One listening socket and its sessions. Control loop only. With as many sessions as it may have it accepts
/// no more until one ends: the others wait in the kernel's queue.
class Listener {
public:
    /// Takes `fd` over. `path`: of the socket file to remove at the end; empty: none.
    Listener(const Session::Surroundings &surroundings, std::size_t most_sessions, int fd, std::string path);
    Listener(const Listener &) = delete;
    Listener &operator=(const Listener &) = delete;
    /// Closes every session.
    ~Listener();

    [[nodiscard]] int fd() const noexcept { return watch_.fd(); }
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_.size(); }

private:
    void acceptable() noexcept;
    void reap() noexcept;
    void session_ended() noexcept;
    void remove_file() noexcept;

    Session::Surroundings surroundings_;
    std::size_t most_sessions_;
    io::FdWatch watch_;
    std::string path_;
    unsigned long long inode_ = 0; ///< of the file: another one of that name is not ours
    std::list<Session> sessions_;
    base::Task reap_;
    base::Timer retry_;
};

} // namespace admin
