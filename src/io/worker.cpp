// SPDX-License-Identifier: BSD-3-Clause
#include "io/worker.hpp"

#include "base/timer_queue.hpp"
#include "io/file_engine.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <thread>

namespace io {

namespace {
constexpr int handlers_at_end = 1024;
constexpr int handlers_per_turn = 64;
constexpr int task_rounds_per_step = 16;
constexpr auto watch_time = std::chrono::microseconds(20);

/// Whether to watch for events a little before the thread sleeps. Falling asleep and being woken by another
/// processor costs more than the pause between two batches of a busy client (measured: 38 % more requests at
/// depth 16, 80 % at depth 1). Not while a peer works for us, whom it would keep from the processor (iSCSI
/// reads at depth 64: 0.39 without, 0.71 with, of the processor time of qemu-nbd). Watching in vain is paid
/// back by not watching in the turns that follow, up to 63 of them, so that slow traffic costs next to
/// nothing and no traffic nothing at all.
class Watchfulness {
public:
    bool worth_it() noexcept {
        if (turns_to_skip_ == 0)
            return more_than_one_processor_;
        --turns_to_skip_;
        return false;
    }
    void saw_something() noexcept { misses_in_a_row_ = 0; }
    void saw_nothing() noexcept {
        misses_in_a_row_ = std::min(misses_in_a_row_ + 1, 6U);
        turns_to_skip_ = (1U << misses_in_a_row_) - 1;
    }

private:
    const bool more_than_one_processor_ = std::thread::hardware_concurrency() > 1;
    unsigned misses_in_a_row_ = 0;
    unsigned turns_to_skip_ = 0;
};
} // namespace

struct Worker::Loop {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::atomic<bool> stopping{false};
    base::TimePoint now = base::Clock::now();
    bool now_is_old = false; // the loop has waited since
    base::List<base::Task> tasks;
    base::List<base::Task> hooks;
    base::TimerQueue timers;
    asio::steady_timer alarm{context};
    Watchfulness watchfulness;
    int peers_at_work = 0;
    bool alarm_set = false;
    base::TimePoint alarm_at{};
    std::unique_ptr<FileEngine> file_engine;

    void run_tasks() noexcept;
    void run_hooks() noexcept;
    void turn();
    std::size_t wait();
    std::size_t watch();
    void set_alarm();
    base::TimePoint time() noexcept;
};

void Worker::Loop::run_tasks() noexcept {
    // Bounded: a task that posts itself for ever must not keep the sockets waiting.
    for (int round = 0; round < task_rounds_per_step && !tasks.empty(); ++round) {
        base::List<base::Task> batch;
        batch.take_all(tasks);
        while (!batch.empty())
            batch.pop_front().run();
    }
}

void Worker::Loop::run_hooks() noexcept {
    base::List<base::Task> batch;
    batch.take_all(hooks);
    while (!batch.empty())
        batch.pop_front().run();
}

void Worker::Loop::turn() {
    // Nothing left to do at once: wait. Whoever first asks for the time after the wait reads it for the whole
    // turn, also the handler that the wait ends with.
    const bool idle = tasks.empty() && hooks.empty();
    now_is_old = true;
    const std::size_t ran = idle ? wait() : 0;
    timers.fire_due(time());
    run_tasks();
    for (int i = static_cast<int>(ran); i < handlers_per_turn; ++i) {
        if (context.poll_one() == 0)
            break;
        run_tasks();
    }
    run_hooks();
    run_tasks();
}

std::size_t Worker::Loop::wait() {
    set_alarm();
    if (peers_at_work == 0 && watchfulness.worth_it() && watch() != 0)
        return 1;
    return context.run_one();
}

std::size_t Worker::Loop::watch() {
    const base::TimePoint end = base::Clock::now() + watch_time;
    do {
        if (context.poll_one() != 0) {
            watchfulness.saw_something();
            return 1;
        }
    } while (base::Clock::now() < end);
    watchfulness.saw_nothing();
    return 0;
}

base::TimePoint Worker::Loop::time() noexcept {
    if (now_is_old) {
        now = base::Clock::now();
        now_is_old = false;
    }
    return now;
}

void Worker::Loop::set_alarm() {
    if (timers.empty())
        return; // an alarm that is still set rings once for nothing
    if (alarm_set && alarm_at <= timers.next())
        return;
    alarm_at = timers.next();
    alarm.expires_at(alarm_at);
    alarm_set = true;
    alarm.async_wait([this](const std::error_code &error) {
        if (error != asio::error::operation_aborted)
            alarm_set = false;
    });
}

Worker::Worker()
    : loop_(std::make_unique<Loop>()) {}
Worker::~Worker() {
    // It watches descriptors and has timers here: it goes first.
    loop_->file_engine.reset();
}

void Worker::run() {
    loop_->stopping.store(false, std::memory_order_relaxed);
    while (!loop_->stopping.load(std::memory_order_relaxed))
        loop_->turn();
    // The next run may be much later.
    loop_->now_is_old = true;
    // What was posted while stopping still runs, so that nobody waits for a step that never comes. Bounded: a
    // socket that is always readable must not keep us.
    loop_->run_tasks();
    for (int i = 0; i < handlers_at_end && loop_->context.poll_one() != 0; ++i)
        loop_->run_tasks();
    loop_->stopping.store(false, std::memory_order_relaxed);
}

void Worker::stop() noexcept {
    asio::post(loop_->context, [this] { loop_->stopping.store(true, std::memory_order_relaxed); });
}

void Worker::post_from_anywhere(std::function<void()> step) { asio::post(loop_->context, std::move(step)); }

void Worker::run_and_wait(const std::function<void()> &step) {
    std::promise<void> done;
    std::future<void> result = done.get_future();
    std::exception_ptr failure;
    post_from_anywhere([&step, &done, &failure] {
        try {
            step();
        } catch (...) {
            failure = std::current_exception();
        }
        // After the catch clause: by now the exception is the caller's alone.
        done.set_value();
    });
    result.get();
    if (failure)
        std::rethrow_exception(failure);
}

void Worker::post(base::Task &task) noexcept {
    if (!task.pending())
        loop_->tasks.push_back(task);
}

void Worker::at_end_of_turn(base::Task &task) noexcept {
    if (!task.pending())
        loop_->hooks.push_back(task);
}

base::TimePoint Worker::now() const noexcept { return loop_->time(); }

void Worker::peers_at_work(int change) noexcept { loop_->peers_at_work += change; }

asio::io_context &Worker::context() noexcept { return loop_->context; }

FileEngine &Worker::file_engine() {
    if (loop_->file_engine == nullptr)
        loop_->file_engine = make_file_engine(*this);
    return *loop_->file_engine;
}

void Worker::start(base::Timer &timer) { loop_->timers.add(timer); }
void Worker::cancel(base::Timer &timer) noexcept { loop_->timers.remove(timer); }

} // namespace io
