// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace block {

/// A course of SCSI commands, written as a coroutine that ends with a T or with an exception. It begins when
/// it is awaited or started. Whoever destroys it calls it off: what was sent is carried out, and nobody
/// hears of it. Not from inside it.
template <typename T>
class [[nodiscard]] ScsiTalk {
public:
    struct Promise;
    using promise_type = Promise; // as the language wants it
    using Handle = std::coroutine_handle<Promise>;

    struct Promise {
        std::optional<T> result;
        std::exception_ptr failure;
        std::coroutine_handle<> then = std::noop_coroutine(); ///< who awaits the end

        ScsiTalk get_return_object() { return ScsiTalk(Handle::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct GoOn {
                static bool await_ready() noexcept { return false; }
                static std::coroutine_handle<> await_suspend(Handle ended) noexcept {
                    return ended.promise().then;
                }
                static void await_resume() noexcept {}
            };
            return GoOn{};
        }
        void return_value(T value) { result = std::move(value); }
        void unhandled_exception() noexcept { failure = std::current_exception(); }
    };

    ScsiTalk() = default;
    ScsiTalk(ScsiTalk &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)) {}
    ScsiTalk &operator=(ScsiTalk &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~ScsiTalk() {
        if (handle_)
            handle_.destroy();
    }

    /// Of one that is not awaited; it tells its end by itself.
    void start() { handle_.resume(); }
    [[nodiscard]] bool running() const noexcept { return handle_ && !handle_.done(); }

    // Awaited: once.
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle_.promise().then = awaiting;
        return handle_;
    }
    T await_resume() {
        if (handle_.promise().failure)
            std::rethrow_exception(handle_.promise().failure);
        return std::move(*handle_.promise().result);
    }

private:
    explicit ScsiTalk(Handle handle) noexcept
        : handle_(handle) {}

    Handle handle_;
};

/// The answers to commands that are under way at the same time, to be awaited in a ScsiTalk.
class ScsiAnswers {
public:
    ScsiAnswers() = default;
    ScsiAnswers(const ScsiAnswers &) = delete;
    ScsiAnswers &operator=(const ScsiAnswers &) = delete;
    ~ScsiAnswers() { state_->waiting = nullptr; }

    /// Sends one more, now. nullptr: the path is gone.
    void ask(ScsiPort *port, ScsiOrder order) {
        const std::size_t index = state_->replies.size();
        ScsiReply &reply = state_->replies.emplace_back();
        reply.result.status = ScsiReply::not_sent;
        if (port == nullptr)
            return;
        ++state_->under_way;
        port->execute(std::move(order), [state = state_, index](const ScsiReply &answer) {
            state->replies[index] = answer;
            if (--state->under_way == 0 && state->waiting)
                std::exchange(state->waiting, nullptr).resume();
        });
    }

    [[nodiscard]] bool await_ready() const noexcept { return state_->under_way == 0; }
    void await_suspend(std::coroutine_handle<> awaiting) noexcept { state_->waiting = awaiting; }
    /// In the order in which they were asked for.
    std::vector<ScsiReply> await_resume() { return std::move(state_->replies); }

private:
    struct State {
        std::vector<ScsiReply> replies;
        std::size_t under_way = 0;
        std::coroutine_handle<> waiting; ///< nullptr: nobody (any more)
    };
    std::shared_ptr<State> state_ = std::make_shared<State>(); ///< of those who answer, too
};

/// One command, again while all that comes back is an attention that waited there or the like. `port` gives
/// where it goes, each time; nullptr: the path is gone.
ScsiTalk<ScsiReply> ask_unit(std::function<ScsiPort *()> port, ScsiOrder order);
/// Whether the command can be sent again at once, having done nothing.
[[nodiscard]] bool may_ask_again(const ScsiResult &result) noexcept;
constexpr unsigned most_times_asked = 10; // a new session finds several attentions waiting

} // namespace block
