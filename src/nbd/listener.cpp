// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/listener.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <cerrno>
#include <sys/socket.h>

namespace nbd {

namespace {
constexpr int most_per_batch = 64;
constexpr base::Duration retry_interval = std::chrono::milliseconds(100);

// The connection failed, not the listening.
bool concerns_one_connection(int error) noexcept {
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == ENETUNREACH || error == EHOSTUNREACH || error == EHOSTDOWN ||
           error == ENOPROTOOPT;
}
} // namespace

Listener::Listener(io::Worker &worker, Owner &owner, io::ListeningSocket socket, TlsMode tls)
    : owner_(owner)
    , socket_(std::move(socket))
    , tls_(tls)
    , watch_(worker, socket_.socket.release())
    , retry_(worker, base::Delegate<>::to<&Listener::resume>(*this)) {
    resume();
}

Listener::~Listener() {
    // The name first: whoever finds it may rely on somebody listening.
    socket_.unlink_if_ours();
    watch_.close();
}

void Listener::resume() noexcept {
    if (!retry_.active() && owner_.has_room())
        watch_.wait_read(base::Delegate<>::to<&Listener::accept_batch>(*this));
}

void Listener::accept_batch() noexcept {
    for (int i = 0; i < most_per_batch && owner_.has_room(); ++i) {
        const int fd = ::accept4(watch_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            complained_ = false;
            owner_.accepted(io::Socket(fd), tls_);
            continue;
        }
        if (errno == EAGAIN)
            break;
        if (concerns_one_connection(errno))
            continue;
        // EMFILE, ENFILE, ENOBUFS, ENOMEM: the connection stays in the queue, and the socket readable.
        if (!complained_)
            base::log::warning("cannot accept on {}: {}; trying again until it works", socket_.name,
                               base::errno_text(errno));
        complained_ = true;
        retry_.start_in(retry_interval);
        return;
    }
    resume();
}

} // namespace nbd
