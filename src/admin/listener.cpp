// SPDX-License-Identifier: BSD-3-Clause
#include "admin/listener.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <utility>

namespace admin {

namespace {
constexpr std::chrono::seconds retry_time{1};
} // namespace

Listener::Listener(const Session::Surroundings &surroundings, std::size_t most_sessions,
                   io::ListeningSocket socket)
    : surroundings_(surroundings)
    , most_sessions_(most_sessions)
    , socket_(std::move(socket))
    , watch_(surroundings.control, socket_.socket.release())
    , reap_(base::Delegate<>::to<&Listener::reap>(*this))
    , retry_(surroundings.control, base::Delegate<>::to<&Listener::acceptable>(*this)) {
    watch_.wait_read(base::Delegate<>::to<&Listener::acceptable>(*this));
}

Listener::~Listener() { socket_.unlink_if_ours(); }

void Listener::acceptable() noexcept {
    while (sessions_.size() < most_sessions_) {
        const int fd = ::accept4(watch_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            sessions_.emplace_back(surroundings_, fd, base::Delegate<>::to<&Listener::session_ended>(*this));
        } else if (errno == EAGAIN) {
            watch_.wait_read(base::Delegate<>::to<&Listener::acceptable>(*this));
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            // No descriptor or memory: the client stays in the queue, so readiness would call again at once
            // for nothing.
            base::log::warning("admin: cannot accept a client: {}", base::errno_text(errno));
            retry_.start_in(retry_time);
            return;
        }
    }
}

void Listener::session_ended() noexcept { surroundings_.control.post(reap_); }

void Listener::reap() noexcept {
    sessions_.remove_if([](const Session &session) { return !session.open(); });
    if (!watch_.waiting_read() && !retry_.active())
        acceptable();
}

} // namespace admin
