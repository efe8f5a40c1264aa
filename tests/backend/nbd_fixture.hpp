// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "fakes/child_process.hpp"
#include "io/worker.hpp"

#include <chrono>
#include <deque>
#include <doctest/doctest.h>
#include <functional>
#include <string>
#include <vector>

namespace nbd_test {

using block::Operation;
using std::chrono::milliseconds;

/// A real worker that is turned until something is true.
class Loop {
public:
    /// False when it did not become true within `limit`.
    bool until(std::function<bool()> condition, milliseconds limit = milliseconds(10000)) {
        condition_ = std::move(condition);
        end_ = base::Clock::now() + limit;
        result_ = false;
        tick_.start_in({});
        worker.run();
        return result_;
    }
    void pass(milliseconds time) {
        until([] { return false; }, time);
    }
    io::Worker worker;

private:
    void tick() noexcept {
        result_ = condition_();
        if (result_ || base::Clock::now() >= end_)
            worker.stop();
        else
            tick_.start_in(milliseconds(1));
    }
    std::function<bool()> condition_;
    base::TimePoint end_{};
    bool result_ = false;
    base::Timer tick_{worker, base::Delegate<>::to<&Loop::tick>(*this)};
};

/// One request and its end.
struct Io final : block::Layer {
    void completed(block::Request &, block::Status result) noexcept override {
        status = result;
        ++completions;
        at = base::Clock::now();
    }
    block::Request request;
    std::vector<std::byte> bytes;
    block::Status status;
    int completions = 0;
    base::TimePoint at{};
};

/// A path under test with what its observer heard.
class Path final : public backend::Observer {
public:
    Path(Loop &loop, const std::string &uri, milliseconds io_timeout = milliseconds(30000),
         milliseconds connect_timeout = milliseconds(5000), std::uint64_t max_requests = 64,
         bool block_status = false, milliseconds idle_check = milliseconds(10000),
         milliseconds stall_timeout = milliseconds(4000))
        : loop_(loop) {
        backend::Settings settings{"p", uri, {}};
        settings.values.set("io_timeout", io_timeout);
        settings.values.set("trust_peer_close", true);
        settings.values.set("stall_timeout", stall_timeout);
        settings.values.set("idle_check", idle_check);
        settings.values.set("connect_timeout", connect_timeout);
        settings.values.set("reconnect_delay", milliseconds(200));
        settings.values.set("max_requests", max_requests);
        settings.values.set("block_status", block_status);
        device = backend::find_type(uri)->create(loop.worker, settings);
        device->open(*this);
    }
    ~Path() { close(); }
    void close() {
        if (device == nullptr)
            return;
        device->close(base::Delegate<>::to<&Path::on_closed>(*this));
        CHECK_FALSE(closed);
        CHECK(loop_.until([this] { return closed; }, milliseconds(2000)));
        CHECK(device->in_flight() == 0);
        device.reset();
    }
    /// The server may still be starting: what was heard before does not count.
    bool wait_up() {
        const bool result = loop_.until([this] { return device->up(); });
        downs = 0;
        return result;
    }
    bool wait_down(int times = 1) {
        return loop_.until([this, times] { return downs >= times; });
    }

    Io &start(Operation operation, std::uint64_t offset, std::uint64_t length, unsigned char fill = 0) {
        Io &io = ios.emplace_back();
        if (operation == Operation::read || operation == Operation::write)
            io.bytes.assign(length, std::byte{fill});
        io.request.operation = operation;
        io.request.offset = offset;
        io.request.length = length;
        io.request.data = io.bytes.data();
        return io;
    }
    void send(Io &io) {
        io.request.push(io);
        device->submit(io.request);
        CHECK(io.completions == 0);
    }
    block::Status finish(Io &io) {
        send(io);
        CHECK(loop_.until([&io] { return io.completions != 0; }));
        CHECK(io.completions == 1);
        return io.status;
    }
    block::Status run(Operation operation, std::uint64_t offset, std::uint64_t length,
                      unsigned char fill = 0) {
        return finish(start(operation, offset, length, fill));
    }
    /// Every byte of the range is `value`.
    bool holds(std::uint64_t offset, std::uint64_t length, unsigned char value) {
        Io &io = start(Operation::read, offset, length, 0xee);
        if (!finish(io).ok())
            return false;
        for (const std::byte byte : io.bytes)
            if (byte != std::byte{value})
                return false;
        return true;
    }

    std::unique_ptr<backend::Backend> device;
    int ups = 0;
    int downs = 0;
    bool closed = false;
    std::string why;
    std::deque<Io> ios;

private:
    void path_up(backend::Backend &) noexcept override { ++ups; }
    void path_down(backend::Backend &, std::string_view reason) noexcept override {
        ++downs;
        why = reason;
    }
    void on_closed() noexcept { closed = true; }
    Loop &loop_;
};

/// Words of an nbdkit command line that serves a unix socket.
inline std::vector<std::string> nbdkit(const std::string &socket, std::vector<std::string> words) {
    std::vector<std::string> result{"nbdkit", "-f", "-U", socket};
    result.insert(result.end(), words.begin(), words.end());
    return result;
}
inline std::string unix_uri(const std::string &socket, const std::string &name = "") {
    return "nbd+unix:///" + name + "?socket=" + socket;
}

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

} // namespace nbd_test
