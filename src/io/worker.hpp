// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"

#include <functional>
#include <memory>

namespace asio {
class io_context;
}

namespace io {

class FileEngine;

/// One event loop for one thread. Everything that belongs to it is made, used and destroyed on that thread,
/// or while the loop does not run. Only post_from_anywhere() and stop() may be called by other threads.
///
/// A turn: at most 64 handlers, tasks after each of them, then the end-of-turn hooks, once. Nothing ticks
/// when nothing is to be done.
class Worker final : public base::Scheduler {
public:
    Worker();
    ~Worker();

    /// Runs turns until stop(). May be called again afterwards.
    void run();
    /// run() returns after the present turn. Any thread.
    void stop() noexcept;
    /// Runs `step` on this worker's thread, after what it does now. Any thread; control plane only
    /// (allocates).
    void post_from_anywhere(std::function<void()> step);
    /// Runs `step` on this worker and waits for it. Not from this worker's own thread; the loop must run.
    void run_and_wait(const std::function<void()> &step);

    void post(base::Task &task) noexcept override;
    void at_end_of_turn(base::Task &task) noexcept override;
    [[nodiscard]] base::TimePoint now() const noexcept override;

    /// So many more (fewer) peers than before have something to do for us: see UnderWay. On this thread.
    void peers_at_work(int change) noexcept;

    [[nodiscard]] asio::io_context &context() noexcept;
    /// What carries out this worker's file calls; made at the first call, lives as long as the worker.
    [[nodiscard]] FileEngine &file_engine();

private:
    void start(base::Timer &timer) override;
    void cancel(base::Timer &timer) noexcept override;

    struct Loop;
    std::unique_ptr<Loop> loop_;
};

} // namespace io
