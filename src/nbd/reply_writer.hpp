// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/session_request.hpp"

#include <sys/types.h>

namespace nbd {

class Channel;

/// The replies of one session, on their way out: gathered during a turn, sent with one sendmsg. A reply of
/// several pieces lets the others pass between them. Hot path.
class ReplyWriter {
public:
    enum class Sent {
        all,     ///< nothing is left
        more,    ///< more may be sent, but not in this turn: others want to send, too
        blocked, ///< the socket takes no more for now
        failed,  ///< the peer is gone
    };

    explicit ReplyWriter(const ReplyEncoder &encoder) noexcept
        : encoder_(encoder) {}

    /// `text`: see ReplyEncoder.
    void add(SessionRequest &request, wire::Error error, std::string_view text) noexcept;
    /// One sendmsg, or several around what lies in pipes; requests whose reply has left completely move to
    /// `done`.
    Sent send(Channel &channel, base::List<SessionRequest> &done) noexcept;
    /// The session is over: every request moves to `done`, sent or not.
    void discard(base::List<SessionRequest> &done) noexcept;

    [[nodiscard]] bool empty() const noexcept { return waiting_.empty() && sending_.empty(); }
    [[nodiscard]] std::size_t largest_chunk() const noexcept { return encoder_.largest_chunk(); }
    /// Bytes that left in all.
    [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }

private:
    ssize_t send_pieces(Channel &channel, std::size_t &asked) noexcept;
    ssize_t send_from_pipe(Channel &channel) noexcept;
    [[nodiscard]] bool pipe_is_next() noexcept;
    void load() noexcept;
    void advance(std::size_t bytes, base::List<SessionRequest> &done) noexcept;

    const ReplyEncoder encoder_;
    base::List<SessionRequest> waiting_;
    // Whose piece the next sendmsg tells; the first `front_sent_` bytes of its front are out already.
    base::List<SessionRequest> sending_;
    std::size_t sending_count_ = 0;
    std::size_t sending_bytes_ = 0;
    std::size_t front_sent_ = 0;
    std::uint64_t sent_bytes_ = 0;
};

} // namespace nbd
