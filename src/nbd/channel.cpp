// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/channel.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

namespace nbd {

namespace {
short state_of(int fd, short events) noexcept {
    pollfd state{fd, events, 0};
    return ::poll(&state, 1, 0) == 1 ? state.revents : short{0};
}
} // namespace

ssize_t Channel::receive(std::span<const iovec> pieces) noexcept {
    if (tls_ != nullptr)
        return tls_->receive(pieces);
    ssize_t got = 0;
    do
        got = ::readv(watch_.fd(), pieces.data(), static_cast<int>(pieces.size()));
    while (got < 0 && errno == EINTR);
    return got;
}

ssize_t Channel::send(std::span<const iovec> pieces) noexcept {
    if (tls_ != nullptr)
        return tls_->send(pieces);
    msghdr message{};
    message.msg_iov = const_cast<iovec *>(pieces.data()); // sendmsg only reads it
    message.msg_iovlen = pieces.size();
    ssize_t sent = 0;
    do
        sent = ::sendmsg(watch_.fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t Channel::forward(int pipe, std::size_t bytes) noexcept {
    ssize_t sent = 0;
    do
        sent = ::splice(pipe, nullptr, watch_.fd(), nullptr, bytes, SPLICE_F_NONBLOCK);
    while (sent < 0 && errno == EINTR);
    return sent;
}

bool Channel::has_input() const noexcept {
    return has_buffered_input() || (state_of(watch_.fd(), POLLIN) & POLLIN) != 0;
}

Channel::Peer Channel::peer() const noexcept {
    const short state = state_of(watch_.fd(), POLLRDHUP);
    if ((state & (POLLHUP | POLLERR)) != 0)
        return Peer::gone;
    return (state & POLLRDHUP) != 0 ? Peer::finished : Peer::here;
}

void Channel::start_tls(std::shared_ptr<const TlsCredentials> credentials) {
    tls_ = std::make_unique<TlsStream>(std::move(credentials), watch_.fd());
}

void Channel::finish_sending() noexcept {
    if (tls_ != nullptr)
        tls_->finish_sending();
    ::shutdown(watch_.fd(), SHUT_WR);
}

} // namespace nbd
