// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_connection.hpp"

#include "base/error.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <libnbd.h>
#include <memory>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace backend {

namespace {

constexpr int answers_per_wakeup = 64;
constexpr std::uint32_t longest_payload = 32 << 20;
constexpr std::size_t longest_reason = 300;
constexpr std::size_t longest_identity = 1000;

std::string on_one_line(std::string text, std::size_t longest) {
    if (text.size() > longest)
        text.resize(longest);
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
    return text;
}

struct FreeText {
    void operator()(char *text) const noexcept { std::free(text); }
};
using Text = std::unique_ptr<char, FreeText>;

} // namespace

std::string NbdConnection::readable_error() {
    const char *text = nbd_get_error();
    std::string result = text == nullptr ? "" : text;
    if (const std::size_t colon = result.find(": "); colon != std::string::npos && result.starts_with("nbd_"))
        result.erase(0, colon + 2);
    return on_one_line(std::move(result), longest_reason);
}

NbdConnection::~NbdConnection() { stop(); }

void NbdConnection::start(int fd, const std::string &export_name) {
    reset();
    handle_ = nbd_create();
    // libnbd closes its descriptor inside its own calls; the loop watches one that stays ours.
    const int watched = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (handle_ == nullptr || watched < 0) {
        error_ = watched < 0 ? base::errno_text(errno) : readable_error();
        broken_ = true;
        if (watched >= 0)
            ::close(watched);
        ::close(fd);
        return;
    }
    watch_ = io::FdWatch(worker_, watched);
    configure(handle_, export_name, block_status_);
    if (nbd_aio_connect_socket(handle_, fd) == -1) {
        note_error();
        broken_ = true;
        // Refused in its entry check, the descriptor is still ours; once the handle is dead libnbd closed it.
        if (nbd_aio_is_created(handle_) == 1)
            ::close(fd);
    }
}

void NbdConnection::start(nbd_handle *negotiated) {
    reset();
    handle_ = negotiated;
    const int watched = ::fcntl(nbd_aio_get_fd(handle_), F_DUPFD_CLOEXEC, 0);
    if (watched < 0) {
        error_ = base::errno_text(errno);
        broken_ = true;
        return;
    }
    watch_ = io::FdWatch(worker_, watched);
}

void NbdConnection::reset() {
    assert(handle_ == nullptr);
    negotiated_ = broken_ = false;
    under_way_.clear();
    error_.clear();
    error_number_ = 0;
    worker_.post(settle_);
}

void NbdConnection::configure(nbd_handle *handle, const std::string &export_name, bool block_status) {
    nbd_set_export_name(handle, export_name.c_str());
    nbd_set_full_info(handle, true); // for read_identity()
    // Without it every read clears its whole buffer first.
    nbd_set_pread_initialize(handle, false);
    // Simple replies cost half the recv() calls.
    nbd_set_request_structured_replies(handle, block_status);
    if (block_status)
        nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION);
    // Bounds, alignment and lengths were checked above; a tail shorter than a block is the server's to judge.
    nbd_set_strict_mode(handle, LIBNBD_STRICT_COMMANDS | LIBNBD_STRICT_FLAGS);
}

void NbdConnection::stop() noexcept {
    settle_.withdraw();
    if (handle_ != nullptr && negotiated_ && under_way_.none() && !dead())
        nbd_aio_disconnect(handle_, 0); // the polite end, as far as the socket takes it at once
    nbd_close(handle_);                 // answers nothing: only frees
    handle_ = nullptr;
    under_way_.clear();
    // After libnbd's own descriptor: Asio trusts this close() to take the registration out of epoll, which
    // happens with the last descriptor of the socket only.
    watch_.close();
    while (!answered_.empty())
        answered_.pop_front();
}

int NbdConnection::on_completion(void *command, int *error) noexcept {
    // libnbd holds the handle's lock: nothing may be called here.
    auto &done = *static_cast<Command *>(command);
    done.error_ = *error;
    done.connection_->answered_.push_back(done);
    return 1; // retire the command: nobody asks for its cookie
}

int NbdConnection::on_extents(void *command, const char *, std::uint64_t, std::uint32_t *entries,
                              std::size_t count, int *) noexcept {
    // The only context that was asked for; its two bits are ours. The last one may go further than the
    // question.
    static_assert(LIBNBD_STATE_HOLE == block::Extents::hole && LIBNBD_STATE_ZERO == block::Extents::zero);
    auto &asked = *static_cast<Command *>(command);
    for (std::size_t i = 0; i + 1 < count; i += 2) {
        const std::uint64_t length = std::min<std::uint64_t>(entries[i], asked.extents_left_);
        asked.extents_left_ -= length;
        if (!asked.extents_->add(length, entries[i + 1] & (LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO)))
            asked.extents_left_ = 0;
    }
    return 0;
}

int NbdConnection::issue(Command &command, const Order &order) noexcept {
    assert(handle_ != nullptr && !command.linked());
    command.connection_ = this;
    command.error_ = 0;
    const nbd_completion_callback done{.callback = on_completion, .user_data = &command, .free = nullptr};
    std::int64_t cookie = -1;
    switch (order.operation) {
    case block::Operation::read:
        cookie = nbd_aio_pread(handle_, order.data, order.length, order.offset, done, order.flags);
        break;
    case block::Operation::write:
        cookie = nbd_aio_pwrite(handle_, order.data, order.length, order.offset, done, order.flags);
        break;
    case block::Operation::flush:
        cookie = nbd_aio_flush(handle_, done, order.flags);
        break;
    case block::Operation::trim:
        cookie = nbd_aio_trim(handle_, order.length, order.offset, done, order.flags);
        break;
    case block::Operation::write_zeroes:
        cookie = nbd_aio_zero(handle_, order.length, order.offset, done, order.flags);
        break;
    case block::Operation::cache:
        cookie = nbd_aio_cache(handle_, order.length, order.offset, done, order.flags);
        break;
    case block::Operation::block_status: {
        command.extents_ = order.extents;
        command.extents_left_ = order.length;
        const nbd_extent_callback tell{.callback = on_extents, .user_data = &command, .free = nullptr};
        cookie = nbd_aio_block_status(handle_, order.length, order.offset, tell, done, order.flags);
        break;
    }
    }
    worker_.post(settle_); // sending changed what to wait for, and may have found the connection broken
    if (cookie == -1 && !command.linked()) {
        const int error = nbd_get_errno();
        if (!dead())
            return error == 0 ? EINVAL : error;
        note_error();
    }
    if (under_way_.none())
        heard_ = worker_.now();
    under_way_.begin();
    return 0;
}

void NbdConnection::readable() noexcept { take_answers(answers_per_wakeup); }

void NbdConnection::take_answers(int limit) noexcept {
    // One reply a call. libnbd that is told to read and finds nothing never sends again: look first, each
    // time.
    for (; limit > 0 && wants(LIBNBD_AIO_DIRECTION_READ) && has_input(); --limit) {
        heard_ = worker_.now();
        if (nbd_aio_notify_read(handle_) == -1) {
            note_error();
            break;
        }
    }
    settle();
}

void NbdConnection::writable() noexcept {
    heard_ = worker_.now();
    if (wants(LIBNBD_AIO_DIRECTION_WRITE) && nbd_aio_notify_write(handle_) == -1)
        note_error();
    settle();
}

void NbdConnection::settle() noexcept {
    deliver();
    if (handle_ == nullptr)
        return;
    if (!negotiated_ && !broken_ && nbd_aio_is_ready(handle_) == 1) {
        negotiated_ = true;
        if (read_properties())
            owner_.negotiated();
        else
            broken_ = true;
        if (handle_ == nullptr)
            return;
    }
    const unsigned direction = broken_ ? 0 : nbd_aio_get_direction(handle_);
    if (direction == 0) { // there is nothing that could ever happen
        owner_.lost(error_.empty() ? "the server closed the connection" : error_);
        return;
    }
    // A wait that is no longer wanted may stay: its end is checked against the direction of that time.
    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0)
        watch_.wait_read(base::Delegate<>::to<&NbdConnection::readable>(*this));
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
        watch_.wait_write(base::Delegate<>::to<&NbdConnection::writable>(*this));
}

void NbdConnection::deliver() noexcept {
    while (!answered_.empty()) {
        Command &command = answered_.pop_front();
        // No server can say ENOTCONN (the protocol has no such value): libnbd says it of a lost connection.
        if (command.error_ == ENOTCONN)
            continue;
        under_way_.end();
        owner_.answered(command, command.error_);
    }
}

bool NbdConnection::wants(unsigned direction) const noexcept {
    return (nbd_aio_get_direction(handle_) & direction) != 0;
}

bool NbdConnection::has_input() const noexcept {
    pollfd socket{.fd = watch_.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&socket, 1, 0) == 1;
}

bool NbdConnection::dead() const noexcept {
    return nbd_aio_is_dead(handle_) == 1 || nbd_aio_is_closed(handle_) == 1;
}

void NbdConnection::note_error() {
    if (!error_.empty())
        return;
    error_ = readable_error();
    error_number_ = nbd_get_errno();
}

bool NbdConnection::ended_by_peer() const noexcept {
    if (error_number_ == ECONNRESET || error_number_ == EPIPE)
        return true;
    pollfd socket{.fd = watch_.fd(), .events = POLLRDHUP, .revents = 0};
    int family = 0;
    socklen_t length = sizeof family;
    if (!watch_.open() || ::poll(&socket, 1, 0) != 1 ||
        ::getsockopt(socket.fd, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0)
        return false;
    // Hung up in both directions may also mean that this host gave up: the end of the peer's stream does not.
    return family == AF_UNIX || (socket.revents & (POLLRDHUP | POLLHUP)) == POLLRDHUP;
}

bool NbdConnection::read_properties() {
    const std::int64_t size = nbd_get_size(handle_);
    if (size < 0) {
        note_error();
        return false;
    }
    const auto block_size = [this](int which, std::int64_t otherwise) {
        const std::int64_t value = nbd_get_block_size(handle_, which);
        return static_cast<std::uint64_t>(value > 0 ? value : otherwise);
    };
    geometry_ = {};
    const std::uint64_t minimum = std::min<std::uint64_t>(block_size(LIBNBD_SIZE_MINIMUM, 1), 65536);
    const std::uint64_t maximum =
        std::min<std::uint64_t>(block_size(LIBNBD_SIZE_MAXIMUM, longest_payload), longest_payload);
    geometry_.minimum_block = static_cast<std::uint32_t>(minimum);
    geometry_.preferred_block = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(block_size(LIBNBD_SIZE_PREFERRED, 4096), minimum, 1 << 30));
    geometry_.maximum_payload = static_cast<std::uint32_t>(std::max(maximum - maximum % minimum, minimum));
    // A tail shorter than a block cannot be reached in blocks.
    geometry_.size = static_cast<std::uint64_t>(size) - static_cast<std::uint64_t>(size) % minimum;
    geometry_.read_only = nbd_is_read_only(handle_) == 1;
    geometry_.rotational = nbd_is_rotational(handle_) == 1;
    abilities_ = {.flush = nbd_can_flush(handle_) == 1,
                  .fua = nbd_can_fua(handle_) == 1,
                  .trim = nbd_can_trim(handle_) == 1,
                  .zero = nbd_can_zero(handle_) == 1,
                  .fast_zero = nbd_can_fast_zero(handle_) == 1,
                  .cache = nbd_can_cache(handle_) == 1,
                  .block_status =
                      block_status_ && nbd_can_meta_context(handle_, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1};
    read_identity();
    return true;
}

void NbdConnection::read_identity() {
    const Text name(nbd_get_canonical_export_name(handle_));
    const Text description(nbd_get_export_description(handle_));
    identity_.clear();
    if (name != nullptr)
        identity_ = fmt::format("export '{}'", name.get());
    if (description != nullptr)
        identity_ += fmt::format("{}({})", identity_.empty() ? "an export " : " ", description.get());
    identity_ = on_one_line(std::move(identity_), longest_identity);
}

} // namespace backend
