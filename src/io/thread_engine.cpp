// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "io/fd_watch.hpp"
#include "io/file_engine.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace io {

namespace {

constexpr std::size_t most_threads = 8;
constexpr std::chrono::seconds idle_limit{5};

int make_eventfd() {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        throw base::Error(errno, "cannot create an eventfd: {}", base::errno_text(errno));
    return fd;
}

/// Signals are for the daemon's own thread: a thread inherits this mask when it is started.
class AllSignalsBlocked {
public:
    AllSignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    AllSignalsBlocked(const AllSignalsBlocked &) = delete;
    AllSignalsBlocked &operator=(const AllSignalsBlocked &) = delete;
    ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

/// Where io_uring is denied: threads take calls from a locked queue, an eventfd tells the loop of what is
/// finished.
class ThreadEngine final : public FileEngine {
public:
    explicit ThreadEngine(Worker &worker)
        : worker_(worker)
        , event_(worker, make_eventfd())
        , hand_over_(base::Delegate<>::to<&ThreadEngine::hand_over>(*this)) {}
    // Joins threads that have nothing to do: they end at once.
    ~ThreadEngine() override {
        assert(in_flight_ == 0);
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        work_.notify_all();
        for (Slot &slot : slots_)
            if (slot.thread.joinable())
                slot.thread.join();
    }

    void submit(FileCall &call) noexcept override {
        gathered_.push_back(call);
        ++gathered_count_;
        ++in_flight_;
        worker_.at_end_of_turn(hand_over_);
    }

private:
    struct Slot {
        std::thread thread;
        bool runs = false; // under the mutex
    };

    void hand_over() noexcept;
    void start_threads() noexcept;
    void collect() noexcept;
    void work(Slot &slot) noexcept;
    void carry_out_next(std::unique_lock<std::mutex> &lock) noexcept;

    Worker &worker_;
    FdWatch event_;
    base::Task hand_over_;
    base::List<FileCall> gathered_; // of this turn
    std::size_t gathered_count_ = 0;
    std::size_t in_flight_ = 0;
    std::array<Slot, most_threads> slots_;

    std::mutex mutex_; // guards all that follows
    std::condition_variable work_;
    base::List<FileCall> queue_;
    base::List<FileCall> finished_;
    std::size_t queued_ = 0;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

void ThreadEngine::hand_over() noexcept {
    std::unique_lock lock(mutex_);
    queue_.take_all(gathered_);
    queued_ += gathered_count_;
    gathered_count_ = 0;
    start_threads();
    if (std::ranges::none_of(slots_, &Slot::runs))
        while (!queue_.empty()) // the system gives us no thread: late is better than never
            carry_out_next(lock);
    lock.unlock();
    work_.notify_all();
    event_.wait_read(base::Delegate<>::to<&ThreadEngine::collect>(*this));
}

void ThreadEngine::start_threads() noexcept {
    std::size_t wanted = queued_ > idle_ ? queued_ - idle_ : 0;
    for (Slot &slot : slots_) {
        if (wanted == 0)
            return;
        if (slot.runs)
            continue;
        if (slot.thread.joinable())
            slot.thread.join(); // it has said that it ends
        const AllSignalsBlocked blocked;
        try {
            slot.thread = std::thread([this, &slot] { work(slot); });
        } catch (const std::system_error &) {
            return;
        }
        slot.runs = true;
        --wanted;
    }
}

void ThreadEngine::work(Slot &slot) noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        const bool any = work_.wait_for(lock, idle_limit, [this] { return stopping_ || !queue_.empty(); });
        --idle_;
        if (!any || stopping_) {
            slot.runs = false;
            return;
        }
        carry_out_next(lock);
    }
}

void ThreadEngine::carry_out_next(std::unique_lock<std::mutex> &lock) noexcept {
    FileCall &call = queue_.pop_front();
    --queued_;
    lock.unlock();
    call.result = execute(call);
    lock.lock();
    if (finished_.empty()) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t told = ::write(event_.fd(), &one, sizeof one);
    }
    finished_.push_back(call);
}

void ThreadEngine::collect() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t seen = ::read(event_.fd(), &count, sizeof count);
    base::List<FileCall> batch;
    {
        const std::lock_guard lock(mutex_);
        batch.take_all(finished_);
    }
    while (!batch.empty()) {
        --in_flight_;
        batch.pop_front().done();
    }
    if (in_flight_ != 0)
        event_.wait_read(base::Delegate<>::to<&ThreadEngine::collect>(*this));
}

} // namespace

std::unique_ptr<FileEngine> make_thread_engine(Worker &worker) {
    return std::make_unique<ThreadEngine>(worker);
}

} // namespace io
