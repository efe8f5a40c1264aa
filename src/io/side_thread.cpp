// SPDX-License-Identifier: BSD-3-Clause
#include "io/side_thread.hpp"

#include "base/error.hpp"
#include "io/worker.hpp"

#include <cassert>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace io {

namespace {

/// All of them, which nobody owns.
struct Threads {
    std::mutex lock;
    std::condition_variable one_ended;
    unsigned running = 0;
    // Of those that have ended. It joins the one before itself, which did so, too: to join it is to join all,
    // with what libraries do at the end of a thread.
    std::thread last;

    Threads() = default;
    Threads(const Threads &) = delete;
    Threads &operator=(const Threads &) = delete;
    /// For a program that does not wait itself.
    ~Threads() {
        if (!wait(std::chrono::seconds(2)) && last.joinable())
            last.detach();
    }

    bool wait(base::Duration limit) {
        std::unique_lock hold(lock);
        if (!one_ended.wait_for(hold, limit, [this] { return running == 0; }))
            return false;
        if (last.joinable())
            last.join();
        return true;
    }
};

Threads &threads() {
    static Threads all;
    return all;
}

} // namespace

struct SideThread::Job {
    Work work;
    std::atomic<bool> wanted{true};
    SideThread *owner = nullptr; ///< set to null on its worker, with the lock held: the worker may go then
    std::thread thread;          ///< under the lock
};

void SideThread::start(Work work, std::function<void()> done) {
    assert(!running());
    auto job = std::make_shared<Job>();
    job->work = std::move(work);
    job->owner = this;
    try {
        // Held until the thread is counted and its handle is where it looks for it at its end.
        const std::lock_guard hold(threads().lock);
        job->thread = std::thread([job] { run(job); });
        ++threads().running;
    } catch (const std::system_error &error) {
        throw base::Error(EAGAIN, "cannot start a thread: {}", error.code().message());
    }
    job_ = std::move(job);
    done_ = std::move(done);
}

void SideThread::run(const std::shared_ptr<Job> &job) {
    job->work(job->wanted);
    job->work = nullptr;
    std::thread previous;
    {
        // Held while posting: the owner is there until it has taken itself out, and so is its worker.
        const std::lock_guard hold(threads().lock);
        if (job->owner != nullptr)
            job->owner->worker_.post_from_anywhere([job] {
                if (job->owner != nullptr)
                    job->owner->ended();
            });
        previous = std::exchange(threads().last, std::move(job->thread));
        --threads().running;
        threads().one_ended.notify_all();
    }
    if (previous.joinable())
        previous.join();
}

void SideThread::ended() {
    const std::function<void()> done = std::exchange(done_, nullptr);
    abandon(); // after that the thread has nothing to do with our worker any more
    done();
}

void SideThread::abandon() noexcept {
    const std::shared_ptr<Job> job = std::exchange(job_, nullptr);
    if (job == nullptr)
        return;
    job->wanted = false;
    done_ = nullptr;
    const std::lock_guard hold(threads().lock);
    job->owner = nullptr;
}

bool SideThread::wait_for_all(base::Duration limit) { return threads().wait(limit); }

} // namespace io
