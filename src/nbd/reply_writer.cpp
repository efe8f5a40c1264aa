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
        gather(request.reply.head.data(), request.reply.head_size);
        if (request.reply.body_size > 0)
            gather(request.reply.body, request.reply.body_size);
    });
    const ssize_t sent = channel.send({vectors, count});
    if (sent < 0)
        return errno == EAGAIN ? Sent::blocked : Sent::failed;
    advance(static_cast<std::size_t>(sent), done);
    if (!sending_.empty())
        return Sent::blocked;
    return waiting_.empty() ? Sent::all : Sent::more;
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
