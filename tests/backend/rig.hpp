// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>

/// A backend on a real worker, driven from the test: submits, runs the loop until something has happened.
class Rig final : public backend::Observer, public block::Layer {
public:
    /// A request of the test's, with what became of it.
    struct Call {
        block::Request request;
        block::Status status;
        int completions = 0;
    };

    Rig(const std::string &uri, const base::KeyValues &values)
        : Rig(uri, values, [](io::Worker &, auto make) { return make(); }) {}
    /// `wrap(worker, make)` makes what is tested from what makes the real backend.
    Rig(const std::string &uri, const base::KeyValues &values, auto wrap) {
        const backend::Type *type = backend::find_type(uri);
        REQUIRE(type != nullptr);
        const backend::Settings settings{"path", uri, values};
        backend_ = wrap(worker_, [this, type, settings] { return type->create(worker_, settings); });
    }
    Rig(const Rig &) = delete;
    Rig &operator=(const Rig &) = delete;
    ~Rig() { close(); }

    backend::Backend &backend() { return *backend_; }
    io::Worker &worker() { return worker_; }

    void open() { backend_->open(*this); }
    void open_and_wait() {
        open();
        REQUIRE(run_until([this] { return backend_->up(); }));
    }
    void start_closing() {
        closing_ = true;
        backend_->close(base::Delegate<>::to<&Rig::closed>(*this));
    }
    void close() {
        if (backend_ == nullptr)
            return;
        if (!closing_)
            start_closing();
        CHECK(run_until([this] { return is_closed_; }));
        backend_.reset();
    }

    Call &make(block::Operation operation, std::uint64_t offset = 0, std::uint64_t length = 0,
               std::byte *data = nullptr) {
        Call &call = calls_.emplace_back();
        call.request.operation = operation;
        call.request.offset = offset;
        call.request.length = length;
        call.request.data = data;
        return call;
    }
    void submit(Call &call) {
        call.request.push(*this, &call);
        ++open_calls_;
        inside_submit_ = true;
        backend_->submit(call.request);
        inside_submit_ = false;
    }
    /// Submits and waits.
    block::Status run(Call &call) {
        submit(call);
        REQUIRE(run_until([&call] { return call.completions > 0; }));
        return call.status;
    }
    block::Status run(block::Operation operation, std::uint64_t offset = 0, std::uint64_t length = 0,
                      std::byte *data = nullptr) {
        return run(make(operation, offset, length, data));
    }
    bool run_all() {
        return run_until([this] { return open_calls_ == 0; });
    }

    /// Runs the loop, which sleeps when idle, until `reached` or 20 s have passed.
    bool run_until(std::function<bool()> reached) {
        reached_ = std::move(reached);
        deadline_.start_in(std::chrono::seconds(20));
        if (!reached_())
            worker_.run();
        deadline_.cancel();
        const bool success = reached_();
        reached_ = nullptr;
        return success;
    }

    /// Lets the loop run for a while.
    void pass(base::Duration time) {
        deadline_.start_in(time);
        worker_.run();
    }

    int ups = 0;
    int downs = 0;
    std::string why;
    int completed_inside_submit = 0;
    int completed_after_closed = 0;

private:
    void path_up(backend::Backend &) noexcept override {
        ++ups;
        look();
    }
    void path_down(backend::Backend &, std::string_view text) noexcept override {
        ++downs;
        why = text;
        look();
    }
    void completed(block::Request &request, block::Status status) noexcept override {
        Call &call = *static_cast<Call *>(request.popped());
        call.status = status;
        ++call.completions;
        --open_calls_;
        completed_inside_submit += inside_submit_ ? 1 : 0;
        completed_after_closed += is_closed_ ? 1 : 0;
        look();
    }
    void closed() noexcept {
        is_closed_ = true;
        look();
    }
    void look() noexcept {
        if (reached_ && reached_())
            worker_.stop();
    }
    void timed_out() noexcept { worker_.stop(); }

    io::Worker worker_;
    base::Timer deadline_{worker_, base::Delegate<>::to<&Rig::timed_out>(*this)};
    std::function<bool()> reached_;
    std::deque<Call> calls_;
    int open_calls_ = 0;
    bool inside_submit_ = false;
    bool closing_ = false;
    bool is_closed_ = false;
    std::unique_ptr<backend::Backend> backend_;
};
