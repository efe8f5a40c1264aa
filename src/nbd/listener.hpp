// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "base/scheduler.hpp"
#include "io/fd_watch.hpp"
#include "io/listening_socket.hpp"
#include "nbd/tls_mode.hpp"

#include <string>

namespace nbd {

/// Accepts on one socket, in batches, on the control worker, as long as its owner has room.
class Listener {
public:
    /// What a listener asks and tells its server.
    class Owner {
    public:
        [[nodiscard]] virtual bool has_room() const noexcept = 0;
        virtual void accepted(io::Socket socket, TlsMode tls) = 0;

    protected:
        ~Owner() = default;
    };

    Listener(io::Worker &worker, Owner &owner, io::ListeningSocket socket, TlsMode tls);
    ~Listener();

    /// Goes on after has_room() was false.
    void resume() noexcept;
    [[nodiscard]] const std::string &name() const noexcept { return socket_.name; }

private:
    void accept_batch() noexcept;

    Owner &owner_;
    io::ListeningSocket socket_;
    const TlsMode tls_;
    io::FdWatch watch_;
    base::Timer retry_; ///< after the system ran out of descriptors or memory
    bool complained_ = false;
};

} // namespace nbd
