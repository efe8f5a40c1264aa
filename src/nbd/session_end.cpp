// SPDX-License-Identifier: BSD-3-Clause
// The ends of a session: DISC, half-close, death of the peer, stalls, our own shutdown.
#include "nbd/session.hpp"

#include "base/log.hpp"
#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace nbd {

namespace {
// While paused nothing is read, so nothing tells of the peer's death: look this often.
constexpr base::Duration look_interval = std::chrono::seconds(1);

} // namespace

void Session::shut_down() noexcept {
    shutting_down_ = true;
    leave_if_idle();
}

// Shutting our side at once would leave requests that are on their way to us without any answer.
void Session::leave_if_idle() noexcept {
    if (state_ != State::serving || requests_ != 0 || rest_task_.pending())
        return;
    if (farewell_over_)
        finish();
    else if (!farewell_.active())
        farewell_.start_in(owner_.limits().farewell);
}

void Session::farewell_is_over() noexcept {
    farewell_over_ = true;
    // What has come already is answered first; then flush() looks again.
    if (!channel_.has_input())
        leave_if_idle();
}

void Session::end_of_stream() noexcept {
    // What came half is not done. What is in flight is answered: the peer may have closed its sending side
    // only.
    if (receiving_ != nullptr)
        release(*std::exchange(receiving_, nullptr));
    if (refused_ != nullptr)
        release(*std::exchange(refused_, nullptr));
    if (channel_.peer() == Channel::Peer::gone) {
        hang_up("client closed the connection");
        return;
    }
    finish();
}

// DISC, a half-close, our shutdown.
void Session::finish() noexcept {
    const bool more_to_come = state_ == State::serving;
    state_ = State::finishing;
    paused_ = false;
    memory_task_.withdraw();
    read_task_.withdraw();
    rest_task_.withdraw();
    if (receiving_ != nullptr)
        release(*std::exchange(receiving_, nullptr));
    if (refused_ != nullptr)
        release(*std::exchange(refused_, nullptr));
    input_.clear();
    if (requests_ == 0)
        linger();
    else if (more_to_come)
        read(); // only to see the end
}

// Unread input at close() would make Linux send RST, which destroys replies that are still under way.
void Session::linger() noexcept {
    state_ = State::lingering;
    channel_.finish_sending();
    timer_.start_in(owner_.limits().linger);
    discard_input();
}

void Session::discard_input() noexcept {
    std::array<std::byte, 4096> bytes;
    const iovec all{bytes.data(), bytes.size()};
    for (int round = 0; round < 16; ++round) {
        const ssize_t got = channel_.receive({&all, 1});
        if (got > 0)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got < 0 || state_ == State::lingering || channel_.peer() == Channel::Peer::gone)
            close();
        else if (in_device_ > 0)
            // A peer that is gone must not write any more through requests that wait for a path; one that
            // only closed its sending side gets an error for those.
            drop_held();
        return; // at the end of the stream there is nothing more to wait for
    }
    read();
}

void Session::drop_held() noexcept {
    gone_ = true;
    owner_.drop_held(*this);
}

void Session::hang_up(std::string_view why) noexcept {
    if (state_ == State::closed)
        return;
    base::log::debug("client {} of export '{}': {}", client().peer, connection_.negotiated.info->name, why);
    close();
}

void Session::close() noexcept {
    if (state_ == State::closed)
        return;
    state_ = State::closed;
    timer_.cancel();
    farewell_.cancel();
    read_task_.withdraw();
    rest_task_.withdraw();
    flush_task_.withdraw();
    memory_task_.withdraw();
    channel_.close();
    input_.clear();
    if (receiving_ != nullptr)
        release(*std::exchange(receiving_, nullptr));
    if (refused_ != nullptr)
        release(*std::exchange(refused_, nullptr));
    base::List<SessionRequest> unanswered;
    output_.discard(unanswered);
    release(unanswered);
    if (in_device_ == 0)
        owner_.ended(*this);
    else
        drop_held(); // the last of them to come back ends the session
}

// Only while something is owed: an idle session has no timer running. One per session, re-armed at most when
// it rings.
void Session::expect_progress() noexcept {
    const bool peer_owes = output_blocked_ || (!paused_ && input_.mid_message());
    if (!peer_owes && !paused_)
        return;
    const base::Duration wait =
        paused_ ? std::min(look_interval, owner_.limits().stall_timeout) : owner_.limits().stall_timeout;
    if (!timer_.active() || timer_.when() > owner_.worker().now() + wait)
        timer_.start_in(wait);
}

void Session::watch_dog() noexcept {
    if (state_ == State::lingering) {
        close();
        return;
    }
    const base::TimePoint now = owner_.worker().now();
    const base::Duration limit = owner_.limits().stall_timeout;
    if (output_blocked_ && now - last_output_ >= limit) {
        hang_up("client does not read its replies");
        return;
    }
    if (state_ == State::serving && !paused_ && input_.mid_message() && now - last_input_ >= limit) {
        hang_up("client stalled in the middle of a request");
        return;
    }
    if (paused_)
        look_for_the_peer();
    if (state_ == State::serving || state_ == State::finishing)
        expect_progress();
}

void Session::look_for_the_peer() noexcept {
    const Channel::Peer peer = channel_.peer();
    if (peer == Channel::Peer::gone)
        hang_up("client closed the connection");
    else if (peer == Channel::Peer::finished && in_device_ > 0)
        drop_held();
}

void Session::give_way() noexcept {
    const Channel::Peer peer = channel_.peer();
    if (peer == Channel::Peer::gone) {
        hang_up("client closed the connection");
    } else if (peer == Channel::Peer::finished && state_ == State::serving) {
        if (in_device_ > 0)
            drop_held();
        finish();
    }
}

} // namespace nbd
