// SPDX-License-Identifier: BSD-3-Clause
#include "admin/session.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "command/command.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <utility>

namespace admin {

namespace {

constexpr std::size_t pausing_output = 64 << 10; // with this much unsent no further command is begun
constexpr std::size_t small_capacity = 4096;
constexpr std::chrono::seconds linger_time{1};
constexpr std::chrono::seconds look_again_time{1};

bool has_controls(std::string_view line) {
    return std::ranges::any_of(line, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

/// A browser that was talked into posting commands to a loopback port.
bool looks_like_http(std::string_view line) {
    static constexpr std::string_view methods[] = {"GET ",     "POST ",    "PUT ",   "HEAD ", "DELETE ",
                                                   "OPTIONS ", "CONNECT ", "PATCH ", "TRACE "};
    return line.find(" HTTP/") != std::string_view::npos ||
           std::ranges::any_of(methods, [line](std::string_view method) { return line.starts_with(method); });
}

} // namespace

Session::Session(const Surroundings &surroundings, int fd, base::Delegate<> ended)
    : surroundings_(surroundings)
    , watch_(surroundings.control, fd)
    , peer_(greet_peer(fd))
    , ended_(ended)
    , advance_(base::Delegate<>::to<&Session::advance>(*this))
    , flush_(base::Delegate<>::to<&Session::flush>(*this))
    , timer_(surroundings.control, base::Delegate<>::to<&Session::on_timer>(*this)) {
    watch_.wait_read(base::Delegate<>::to<&Session::readable>(*this));
}

Session::~Session() {
    if (call_)
        call_->cancel();
}

void Session::line(std::string_view text) {
    // Only what waits is cut off: any other reply is as long as the configuration makes it, and comes alone.
    if (cut_off_ || (call_ && call_->waiting() && unsent() > surroundings_.longest_output)) {
        cut_off_ = true;
        surroundings_.control.post(advance_); // later: the command is still on the stack
        return;
    }
    output_.append(text) += '\n';
    surroundings_.control.at_end_of_turn(flush_);
}

void Session::finished() { surroundings_.control.post(advance_); }

void Session::readable() noexcept {
    receive();
    advance();
}

void Session::receive() {
    std::array<char, 16 << 10> block;
    while (open() && (ending_ || !reader_.full())) {
        const ssize_t got = ::recv(watch_.fd(), block.data(), block.size(), MSG_DONTWAIT);
        if (got > 0) {
            if (!ending_)
                reader_.feed({block.data(), static_cast<std::size_t>(got)});
            if (static_cast<std::size_t>(got) < block.size() || ending_)
                return; // no endless sender keeps the loop to itself
        } else if (got == 0) {
            at_end_ = true;
            return;
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            close();
        }
    }
}

void Session::advance() noexcept {
    if (!open())
        return;
    if (call_ && !call_->open())
        call_.reset();
    if (cut_off_) {
        base::log::warning("admin: {}: does not read its replies and is cut off", peer_.name);
        return close();
    }
    start_next_command();
    if (open() && !call_ && unsent() == 0 && (ending_ || at_end_))
        linger();
    if (open())
        wait_for_more();
}

void Session::start_next_command() {
    std::string line;
    while (open() && !call_ && !ending_ && unsent() < pausing_output) {
        switch (reader_.next(line)) {
        case LineReader::Result::none:
            return;
        case LineReader::Result::too_long:
            refuse("the line is longer than 64 KiB");
            ending_ = true;
            return;
        case LineReader::Result::line:
            start(line);
            break;
        }
    }
}

void Session::start(std::string_view line) {
    if (looks_like_http(line)) {
        base::log::warning("admin: {}: speaks HTTP and is cut off", peer_.name);
        return close();
    }
    if (has_controls(line))
        return refuse("the line has control characters");
    std::vector<std::string> words = base::split_words(line);
    if (words.empty())
        return;
    command::Reply &reply = *this;
    call_ = std::make_shared<command::Call>(std::move(words), peer_.name, reply);
    const command::CallPointer call = call_;
    command::run(call, surroundings_.maps);
}

void Session::refuse(std::string_view text) { line(fmt::format("ERR EINVAL {}", text)); }

void Session::wait_for_more() {
    // A waiting command's session goes on reading, to notice the client's end.
    if (!at_end_ && (ending_ || !reader_.full())) {
        watch_.wait_read(base::Delegate<>::to<&Session::readable>(*this));
        if (!lingering_)
            timer_.cancel();
        return;
    }
    // Where readiness cannot tell it any more, look now and then; nothing else needs the clock.
    if (call_ && call_->waiting()) {
        if (peer_gone())
            close();
        else if (!timer_.active())
            timer_.start_in(look_again_time);
    }
}

void Session::flush() noexcept {
    while (open() && unsent() != 0) {
        const ssize_t done =
            ::send(watch_.fd(), output_.data() + sent_, unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done >= 0) {
            sent_ += static_cast<std::size_t>(done);
        } else if (errno == EAGAIN) {
            if (sent_ > pausing_output)
                output_.erase(0, std::exchange(sent_, 0));
            watch_.wait_write(base::Delegate<>::to<&Session::writable>(*this));
            return;
        } else if (errno != EINTR) {
            return close();
        }
    }
    sent_ = 0;
    output_.clear();
    if (output_.capacity() > small_capacity)
        output_.shrink_to_fit();
    if (open())
        surroundings_.control.post(advance_);
}

void Session::linger() {
    // Closing with something unread would reset the connection, and the client might lose the last reply.
    if (at_end_)
        return close();
    if (lingering_)
        return;
    lingering_ = true;
    ::shutdown(watch_.fd(), SHUT_WR);
    timer_.start_in(linger_time);
}

void Session::on_timer() noexcept {
    if (lingering_)
        close();
    else
        advance();
}

void Session::close() noexcept {
    if (!open())
        return;
    if (call_)
        call_->cancel();
    watch_.close();
    timer_.cancel();
    advance_.withdraw();
    flush_.withdraw();
    ended_();
}

bool Session::peer_gone() const noexcept {
    pollfd probe{watch_.fd(), POLLRDHUP, 0};
    ::poll(&probe, 1, 0);
    if ((probe.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        return true;
    // On TCP a close looks like a half-close; nothing that waits may outlive its client there.
    return !peer_.local && (probe.revents & POLLRDHUP) != 0;
}

} // namespace admin
