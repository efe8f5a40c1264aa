// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/reply_writer.hpp"

#include "nbd/channel.hpp"

#include <cerrno>
#include <climits>

namespace nbd {

namespace {
constexpr std::size_t most_vectors = IOV_MAX;
// One turn's share of a session: a reader of large blocks must not keep small replies of others waiting.
constexpr std::size_t most_bytes_per_turn = std::size_t{1} << 20;
} // namespace

void ReplyWriter::add(SessionRequest &request, wire::Error error, std::string_view text) noexcept {
    encoder_.begin(request, error, text);
    waiting_.push_back(request);
}

void ReplyWriter::load() noexcept {
    while (!waiting_.empty() && 2 * (sending_count_ + 1) <= most_vectors &&
           sending_bytes_ < most_bytes_per_turn) {
        SessionRequest &request = waiting_.pop_front();
        if (request.reply.left > 0)
            encoder_.next(request);
        ++sending_count_;
        sending_bytes_ += request.reply.size();
        sending_.push_back(request);
    }
}

ReplyWriter::Sent ReplyWriter::send(Channel &channel, base::List<SessionRequest> &done) noexcept {
    load();
    while (!sending_.empty()) {
        std::size_t asked = 0;
        const bool from_pipe = pipe_is_next();
        const ssize_t sent = from_pipe ? send_from_pipe(channel) : send_pieces(channel, asked);
        if (sent < 0)
            return errno == EAGAIN ? Sent::blocked : Sent::failed;
        if (sent == 0)
            return Sent::failed;
        advance(static_cast<std::size_t>(sent), done);
        // Less from a pipe does not mean that the socket is full.
        if (!from_pipe && static_cast<std::size_t>(sent) < asked)
            return Sent::blocked;
    }
    return waiting_.empty() ? Sent::all : Sent::more;
}

// The head of the front piece is out, and its data are in a pipe.
bool ReplyWriter::pipe_is_next() noexcept {
    const Reply &reply = sending_.front().reply;
    return reply.body == nullptr && reply.body_size > 0 && front_sent_ >= reply.head_size;
}

ssize_t ReplyWriter::send_from_pipe(Channel &channel) noexcept {
    SessionRequest &request = sending_.front();
    return channel.forward(request.pipe->out, request.reply.size() - front_sent_);
}

// As far as data are in memory.
ssize_t ReplyWriter::send_pieces(Channel &channel, std::size_t &asked) noexcept {
    iovec vectors[most_vectors];
    std::size_t count = 0;
    std::size_t skip = front_sent_;
    const auto gather = [&vectors, &count, &skip, &asked](std::byte *bytes, std::size_t length) {
        if (skip >= length) {
            skip -= length;
            return;
        }
        vectors[count++] = {bytes + skip, length - skip};
        asked += length - skip;
        skip = 0;
    };
    bool in_memory = true;
    sending_.for_each([&gather, &in_memory](SessionRequest &request) {
        Reply &reply = request.reply;
        if (!in_memory)
            return;
        gather(reply.head.data(), reply.head_size);
        in_memory = reply.body_size == 0 || reply.body != nullptr;
        if (reply.body_size > 0 && in_memory)
            gather(reply.body, reply.body_size);
    });
    return channel.send({vectors, count});
}

void ReplyWriter::advance(std::size_t bytes, base::List<SessionRequest> &done) noexcept {
    sent_bytes_ += bytes;
    sending_bytes_ -= bytes;
    bytes += front_sent_;
    while (!sending_.empty() && sending_.front().reply.size() <= bytes) {
        SessionRequest &request = sending_.pop_front();
        bytes -= request.reply.size();
        --sending_count_;
        if (request.reply.left > 0)
            waiting_.push_back(request); // behind those that came meanwhile
        else
            done.push_back(request);
    }
    front_sent_ = bytes;
}

void ReplyWriter::discard(base::List<SessionRequest> &done) noexcept {
    done.take_all(sending_);
    done.take_all(waiting_);
    sending_count_ = sending_bytes_ = front_sent_ = 0;
}

} // namespace nbd
