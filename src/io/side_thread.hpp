// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace io {

class Worker;

/// Work that may block for long, in a thread of its own; one piece at a time. All but the work is on the
/// worker. What blocks cannot always be interrupted: the thread may outlive this object and the worker, so
/// the work owns what it uses.
class SideThread {
public:
    /// `wanted` turns false when nobody waits for the work any more.
    using Work = std::function<void(const std::atomic<bool> &wanted)>;

    explicit SideThread(Worker &worker) noexcept
        : worker_(worker) {}
    SideThread(const SideThread &) = delete;
    SideThread &operator=(const SideThread &) = delete;
    ~SideThread() { abandon(); }

    /// Calls `done` from the loop when the work has returned and is destroyed. It may destroy this object.
    /// Not while running(). Throws base::Error(EAGAIN) when no thread can be had.
    void start(Work work, std::function<void()> done);
    /// From start() to `done` or abandon().
    [[nodiscard]] bool running() const noexcept { return job_ != nullptr; }
    /// `done` is not called any more. Does not wait.
    void abandon() noexcept;

    /// Waits until every thread of this kind in the process has ended and let go of everything. False: not
    /// so within `limit`. Then exit() must not be called, which takes libraries away that they still use.
    /// Any thread, while nobody starts more.
    [[nodiscard]] static bool wait_for_all(base::Duration limit);

private:
    struct Job;
    static void run(const std::shared_ptr<Job> &job);
    void ended();

    Worker &worker_;
    std::shared_ptr<Job> job_; ///< shared with the thread
    std::function<void()> done_;
};

} // namespace io
