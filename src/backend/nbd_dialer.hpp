// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/nbd_uri.hpp"
#include "base/scheduler.hpp"
#include "io/fd_watch.hpp"
#include "io/side_thread.hpp"

#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

namespace backend {

/// Connects a stream socket to a server: finds its addresses and tries each, without ever blocking the loop.
/// Names are resolved in a short-lived thread of their own. Used by the NBD backend, on its worker.
class NbdDialer {
public:
    /// After dial() one of both is called: `connected` with the socket, which is the callee's then, or
    /// `failed` with one line. May be from inside dial(). `idle_limit`: unacknowledged bytes end a TCP
    /// connection after it.
    NbdDialer(io::Worker &worker, const NbdUri &uri, base::Duration idle_limit, base::Delegate<int> connected,
              base::Delegate<std::string_view> failed);
    NbdDialer(const NbdDialer &) = delete;
    NbdDialer &operator=(const NbdDialer &) = delete;

    /// The addresses share `limit` evenly, so that a silent one does not keep the others from their try.
    void dial(base::Duration limit);
    /// Neither delegate is called any more for the present dial().
    void cancel() noexcept;

    /// What cannot be set is left as it is.
    static void set_tcp_options(int fd, base::Duration idle_limit) noexcept;

private:
    struct Address {
        sockaddr_storage storage;
        socklen_t length;
    };

    static bool find_addresses(const NbdUri &uri, int flags, std::vector<Address> &found, std::string &error);
    void start_lookup();
    void resolved(std::vector<Address> &&addresses, const std::string &error);
    void try_next();
    void writable() noexcept;
    void address_silent() noexcept;
    void connected(int fd);
    void fail(std::string_view why);

    io::Worker &worker_;
    NbdUri uri_;
    base::Duration idle_limit_;
    base::Delegate<int> on_connected_;
    base::Delegate<std::string_view> on_failed_;
    bool dialing_ = false;
    base::TimePoint end_{};
    io::SideThread lookup_;
    std::vector<Address> addresses_;
    std::size_t next_ = 0;
    std::string error_;
    io::FdWatch watch_;
    base::Timer silence_;
};

} // namespace backend
