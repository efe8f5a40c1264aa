// SPDX-License-Identifier: BSD-3-Clause
// From the device back to the client.
#include "nbd/session.hpp"

#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"

namespace nbd {

void Session::submit(SessionRequest &request) noexcept {
    traffic_.count(request);
    owner_.counters().count(request);
    ++in_device_;
    request.push(*this);
    owner_.device().submit(request);
}

void Session::completed(block::Request &request, block::Status status) noexcept {
    auto &answered = static_cast<SessionRequest &>(request);
    --in_device_;
    if (state_ != State::closed) {
        if (!status.ok())
            ++owner_.counters().failed;
        else if (request.pipe != nullptr && !request.piped)
            offers_pipes_ = false;
        const wire::Error error = wire::error_of(status, answered.fast_zero);
        reply(answered, {error, text_of(error)});
        return;
    }
    release(answered);
    if (in_device_ == 0)
        owner_.ended(*this);
}

void Session::reply(SessionRequest &request, Refusal refusal) noexcept {
    if (output_.empty())
        last_output_ = owner_.worker().now();
    output_.add(request, refusal.error, refusal.text);
    if (!output_blocked_)
        owner_.worker().at_end_of_turn(flush_task_);
}

void Session::flush() noexcept {
    output_blocked_ = false;
    base::List<SessionRequest> sent;
    const std::uint64_t before = output_.sent_bytes();
    const ReplyWriter::Sent result = output_.empty() ? ReplyWriter::Sent::all : output_.send(channel_, sent);
    release(sent);
    if (output_.sent_bytes() != before)
        last_output_ = owner_.worker().now();
    switch (result) {
    case ReplyWriter::Sent::failed:
        hang_up("connection lost");
        return;
    case ReplyWriter::Sent::blocked:
        output_blocked_ = true;
        channel_.wait_write(base::Delegate<>::to<&Session::flush>(*this));
        expect_progress();
        break;
    case ReplyWriter::Sent::more:
        owner_.worker().at_end_of_turn(flush_task_);
        break;
    case ReplyWriter::Sent::all:
        break;
    }
    if (state_ == State::serving && paused_ && has_room() && !memory_task_.pending())
        go_on();
    if (shutting_down_)
        leave_if_idle();
    if (requests_ == 0 && state_ == State::finishing)
        linger();
}

void Session::release(base::List<SessionRequest> &requests) noexcept {
    while (!requests.empty())
        release(requests.pop_front());
}

void Session::release(SessionRequest &request) noexcept {
    owed_bytes_ -= request.owed_bytes();
    held_bytes_ -= request.buffer_size;
    if (request.pipe != nullptr)
        owner_.pipes().give_back(request.pipe, request.piped);
    if (request.buffer != nullptr && !request.data_kept)
        owner_.payloads().give_back(request.buffer, request.buffer_size);
    owner_.requests().end(request);
    --requests_;
}

} // namespace nbd
