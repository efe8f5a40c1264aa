// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/reply_writer.hpp"

#include <climits>
#include <sys/socket.h>
#include <sys/uio.h>

namespace nbd {

namespace {
constexpr std::size_t most_vectors = IOV_MAX;
// One turn's share of a session: a reader of large blocks must not keep small replies of others waiting.
constexpr std::size_t most_bytes_per_turn = std::size_t{1} << 20;
} // namespace

void ReplyWriter::add(SessionRequest &request, wire::Error error) noexcept {
    request.reply = wire::encode_simple_reply(error, request.cookie);
    request.reply_data =
        error == wire::Error::none && request.operation == block::Operation::read ? request.length : 0;
    unsent_bytes_ += request.reply_size();
    waiting_.push_back(request);
}

void ReplyWriter::load() noexcept {
    while (!waiting_.empty() && 2 * (sending_count_ + 1) <= most_vectors &&
           sending_bytes_ < most_bytes_per_turn) {
        SessionRequest &request = waiting_.pop_front();
        ++sending_count_;
        sending_bytes_ += request.reply_size();
        sending_.push_back(request);
    }
}

ReplyWriter::Sent ReplyWriter::send(int fd, base::List<SessionRequest> &done) noexcept {
    load();
    iovec vectors[most_vectors];
    std::size_t count = 0;
    std::size_t skip = front_sent_;
    const auto gather = [&vectors, &count, &skip](std::byte *bytes, std::size_t length) {
        if (skip >= length) {
            skip -= length;
            return;
        }
        vectors[count++] = {bytes + skip, length - skip};
        skip = 0;
    };
    sending_.for_each([&gather](SessionRequest &request) {
        gather(request.reply.data(), request.reply.size());
        if (request.reply_data > 0)
            gather(request.data, request.reply_data);
    });
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    ssize_t sent = 0;
    do
        sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN ? Sent::blocked : Sent::failed;
    advance(static_cast<std::size_t>(sent), done);
    if (!sending_.empty())
        return Sent::blocked;
    return waiting_.empty() ? Sent::all : Sent::more;
}

void ReplyWriter::advance(std::size_t bytes, base::List<SessionRequest> &done) noexcept {
    unsent_bytes_ -= bytes;
    sending_bytes_ -= bytes;
    bytes += front_sent_;
    while (!sending_.empty() && sending_.front().reply_size() <= bytes) {
        SessionRequest &request = sending_.pop_front();
        bytes -= request.reply_size();
        --sending_count_;
        done.push_back(request);
    }
    front_sent_ = bytes;
}

void ReplyWriter::discard(base::List<SessionRequest> &done) noexcept {
    done.take_all(sending_);
    done.take_all(waiting_);
    sending_count_ = sending_bytes_ = front_sent_ = unsent_bytes_ = 0;
}

} // namespace nbd
