// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/session_request.hpp"

namespace nbd {

/// The replies of one session, on their way out: gathered during a turn, sent with one sendmsg. Hot path.
class ReplyWriter {
public:
    enum class Sent {
        all,     ///< nothing is left
        more,    ///< more may be sent, but not in this turn: others want to send, too
        blocked, ///< the socket takes no more for now
        failed,  ///< the peer is gone
    };

    /// Simple replies: the request's reply is filled in, its data (of a read that went well) follows.
    void add(SessionRequest &request, wire::Error error) noexcept;
    /// One sendmsg; requests whose reply has left completely move to `done`.
    Sent send(int fd, base::List<SessionRequest> &done) noexcept;
    /// The session is over: every request moves to `done`, sent or not.
    void discard(base::List<SessionRequest> &done) noexcept;

    [[nodiscard]] bool empty() const noexcept { return unsent_bytes_ == 0; }
    [[nodiscard]] std::size_t unsent_bytes() const noexcept { return unsent_bytes_; }

private:
    void load() noexcept;
    void advance(std::size_t bytes, base::List<SessionRequest> &done) noexcept;

    base::List<SessionRequest> waiting_;
    // What the next sendmsg tells; the first `front_sent_` bytes of its front are out already.
    base::List<SessionRequest> sending_;
    std::size_t sending_count_ = 0;
    std::size_t sending_bytes_ = 0;
    std::size_t front_sent_ = 0;
    std::size_t unsent_bytes_ = 0;
};

} // namespace nbd
