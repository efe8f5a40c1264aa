// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_watch.hpp"

#include "io/worker.hpp"

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace io {

// Outlives the watch while Asio still holds handlers that point to it; counted without atomics, one thread.
struct FdWatch::State {
    using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

    State(Worker &worker, int fd)
        : descriptor(worker.context().get_executor(), fd) {}

    Descriptor descriptor;
    base::Delegate<> on_read;
    base::Delegate<> on_write;
    bool read_armed = false;
    bool write_armed = false;
    int references = 1;

    void drop() noexcept {
        if (--references == 0)
            delete this;
    }
};

namespace {
// Hands over exactly once, also when Asio destroys the handler unrun at its own end.
template <typename State, auto armed, auto delegate>
struct Handler {
    explicit Handler(State *target) noexcept
        : state(target) {
        ++state->references;
    }
    Handler(Handler &&other) noexcept
        : state(std::exchange(other.state, nullptr)) {}
    Handler(const Handler &other) noexcept
        : state(other.state) {
        ++state->references;
    }
    Handler &operator=(const Handler &) = delete;
    ~Handler() {
        if (state != nullptr)
            state->drop();
    }
    void operator()(const std::error_code &error) noexcept {
        if (error == asio::error::operation_aborted)
            return; // cancel() and close() have already forgotten the delegate
        state->*armed = false;
        const base::Delegate<> call = std::exchange(state->*delegate, base::Delegate<>{});
        if (call)
            call();
    }
    State *state;
};
} // namespace

FdWatch::FdWatch(Worker &worker, int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    state_ = new State(worker, fd);
}

FdWatch::FdWatch(FdWatch &&other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}

FdWatch &FdWatch::operator=(FdWatch &&other) noexcept {
    if (this != &other) {
        close();
        state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
}

FdWatch::~FdWatch() { close(); }

int FdWatch::fd() const noexcept { return state_ == nullptr ? -1 : state_->descriptor.native_handle(); }
bool FdWatch::waiting_read() const noexcept {
    return state_ != nullptr && static_cast<bool>(state_->on_read);
}
bool FdWatch::waiting_write() const noexcept {
    return state_ != nullptr && static_cast<bool>(state_->on_write);
}

void FdWatch::wait_read(base::Delegate<> ready) {
    if (state_->on_read)
        return;
    state_->on_read = ready;
    if (state_->read_armed)
        return; // a cancelled wait is still under way at Asio: it serves this one
    state_->read_armed = true;
    state_->descriptor.async_wait(State::Descriptor::wait_read,
                                  Handler<State, &State::read_armed, &State::on_read>(state_));
}

void FdWatch::wait_write(base::Delegate<> ready) {
    if (state_->on_write)
        return;
    state_->on_write = ready;
    if (state_->write_armed)
        return;
    state_->write_armed = true;
    state_->descriptor.async_wait(State::Descriptor::wait_write,
                                  Handler<State, &State::write_armed, &State::on_write>(state_));
}

void FdWatch::cancel() noexcept {
    if (state_ == nullptr)
        return;
    // The waits stay armed at Asio and find no delegate: cheaper than taking them back, and no late call.
    state_->on_read = {};
    state_->on_write = {};
}

void FdWatch::close() noexcept {
    if (state_ == nullptr)
        return;
    cancel();
    std::error_code ignored;
    state_->descriptor.close(ignored);
    std::exchange(state_, nullptr)->drop();
}

int FdWatch::release() noexcept {
    if (state_ == nullptr)
        return -1;
    cancel();
    const int fd = state_->descriptor.release();
    std::exchange(state_, nullptr)->drop();
    return fd;
}

} // namespace io
