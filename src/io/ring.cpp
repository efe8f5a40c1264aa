// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "io/fd_watch.hpp"
#include "io/file_engine.hpp"
#include "io/worker.hpp"

#include <array>
#include <cassert>
#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

namespace io {

namespace {

constexpr unsigned submission_entries = 256;
constexpr unsigned completion_entries = 1024;
// After the kernel took nothing (out of memory): soon enough, and no busy loop.
constexpr std::chrono::milliseconds retry_delay{1};

/// Two queues shared with the kernel: calls gathered during a turn go with one system call.
class Ring final : public FileEngine {
public:
    /// Takes over `ring` and `fd`, a second descriptor of it that the loop watches.
    Ring(Worker &worker, const ::io_uring &ring, int fd)
        : worker_(worker)
        , ring_(ring)
        , watch_(worker, fd)
        , send_(base::Delegate<>::to<&Ring::send>(*this))
        , retry_(worker, base::Delegate<>::to<&Ring::send>(*this)) {}
    ~Ring() override {
        assert(in_ring_ == 0 && waiting_.empty());
        watch_.close();
        ::io_uring_queue_exit(&ring_);
    }

    void submit(FileCall &call) noexcept override {
        if (call.kind == FileCall::Kind::function)
            return leave_to_threads(call);
        waiting_.push_back(call);
        fill();
        worker_.at_end_of_turn(send_);
    }

private:
    void leave_to_threads(FileCall &call) noexcept;
    void fill() noexcept;
    void send() noexcept;
    void reap() noexcept;
    void ready() noexcept {
        reap();
        watch();
    }
    void watch() noexcept {
        if (in_ring_ != 0)
            watch_.wait_read(base::Delegate<>::to<&Ring::ready>(*this));
    }
    static void prepare(::io_uring_sqe &entry, FileCall &call) noexcept;

    Worker &worker_;
    ::io_uring ring_;
    FdWatch watch_;
    base::Task send_;
    base::Timer retry_;
    base::List<FileCall> waiting_;        // the rings are full
    unsigned in_ring_ = 0;                // in either ring or in the kernel
    std::unique_ptr<FileEngine> threads_; // for what the kernel's queue does not know; made when it is needed
    base::List<FileCall> refused_;
};

void Ring::leave_to_threads(FileCall &call) noexcept {
    try {
        if (threads_ == nullptr)
            threads_ = make_thread_engine(worker_);
        threads_->submit(call);
    } catch (const base::Error &error) {
        call.result = -error.code();
        refused_.push_back(call);
        worker_.at_end_of_turn(send_);
    }
}

void Ring::prepare(::io_uring_sqe &entry, FileCall &call) noexcept {
    switch (call.kind) {
    case FileCall::Kind::read:
        ::io_uring_prep_read(&entry, call.fd, call.data, static_cast<unsigned>(call.length), call.offset);
        entry.rw_flags = call.flags;
        break;
    case FileCall::Kind::write:
        ::io_uring_prep_write(&entry, call.fd, call.data, static_cast<unsigned>(call.length), call.offset);
        entry.rw_flags = call.flags;
        break;
    case FileCall::Kind::sync:
        ::io_uring_prep_fsync(&entry, call.fd, IORING_FSYNC_DATASYNC);
        break;
    case FileCall::Kind::allocate:
        ::io_uring_prep_fallocate(&entry, call.fd, call.flags, static_cast<off_t>(call.offset),
                                  static_cast<off_t>(call.length));
        break;
    case FileCall::Kind::advise:
        ::io_uring_prep_fadvise(&entry, call.fd, call.offset, static_cast<off_t>(call.length), call.flags);
        break;
    case FileCall::Kind::function: // never gets here
        break;
    }
    ::io_uring_sqe_set_data(&entry, &call);
}

// Never more in the rings than the completion queue holds: it cannot overflow, and nothing is lost.
void Ring::fill() noexcept {
    while (!waiting_.empty() && in_ring_ < ring_.cq.ring_entries) {
        ::io_uring_sqe *entry = ::io_uring_get_sqe(&ring_);
        if (entry == nullptr) {
            if (::io_uring_submit(&ring_) <= 0)
                return; // send() tries again
            continue;
        }
        prepare(*entry, waiting_.pop_front());
        ++in_ring_;
    }
}

void Ring::send() noexcept {
    base::List<FileCall> refused;
    refused.take_all(refused_);
    while (!refused.empty())
        refused.pop_front().done();
    fill();
    while (::io_uring_sq_ready(&ring_) != 0)
        if (::io_uring_submit(&ring_) <= 0) {
            retry_.start_in(retry_delay);
            break;
        }
    reap(); // what the page cache had is complete already
    watch();
}

void Ring::reap() noexcept {
    std::array<::io_uring_cqe *, 64> entries{};
    for (;;) {
        const unsigned count =
            ::io_uring_peek_batch_cqe(&ring_, entries.data(), static_cast<unsigned>(entries.size()));
        if (count == 0)
            break;
        base::List<FileCall> finished;
        for (unsigned i = 0; i < count; ++i) {
            auto &call = *static_cast<FileCall *>(::io_uring_cqe_get_data(entries[i]));
            call.result = entries[i]->res;
            finished.push_back(call);
        }
        ::io_uring_cq_advance(&ring_, count);
        in_ring_ -= count;
        while (!finished.empty())
            finished.pop_front().done();
    }
    if (!waiting_.empty())
        worker_.at_end_of_turn(send_);
}

bool knows_every_call(::io_uring &ring) noexcept {
    ::io_uring_probe *probe = ::io_uring_get_probe_ring(&ring);
    if (probe == nullptr)
        return false;
    bool all = true;
    for (const int operation :
         {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_FADVISE})
        all = all && ::io_uring_opcode_supported(probe, operation) != 0;
    ::io_uring_free_probe(probe);
    return all;
}

} // namespace

std::unique_ptr<FileEngine> make_ring(Worker &worker) {
    ::io_uring ring{};
    ::io_uring_params parameters{};
    parameters.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = completion_entries;
    if (::io_uring_queue_init_params(submission_entries, &ring, &parameters) < 0)
        return nullptr;
    const int fd = knows_every_call(ring) ? ::fcntl(ring.ring_fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd < 0) {
        ::io_uring_queue_exit(&ring);
        return nullptr;
    }
    return std::make_unique<Ring>(worker, ring, fd);
}

} // namespace io
