// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "fakes/memory_device.hpp"
#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"
#include "wire/big_endian.hpp"
#include "wire/codec.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <future>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

/// An export with a disk in memory on a worker of its own, and clients on socket pairs: what the session's
/// tests use.
namespace session_test {

using Bytes = std::vector<std::byte>;

class Service {
public:
    explicit Service(const block::Geometry &geometry = {.size = 8 << 20},
                     const nbd::SessionLimits &limits = {}, std::size_t memory = std::size_t{64} << 20)
        : payloads(worker, memory)
        , device(worker, geometry)
        , sessions(worker, device, payloads, limits,
                   nbd::ExportSessions::DropHeld::to<&fakes::MemoryDevice::drop_held>(device))
        , info(std::make_shared<nbd::ExportInfo>(
              nbd::ExportInfo{.name = "disk", .geometry = geometry, .home = sessions.home()}))
        , thread_([this] { worker.run(); }) {}
    ~Service() {
        shut_down(std::chrono::seconds(0));
        worker.stop();
        thread_.join();
    }

    /// Runs `step` on the worker and returns what it returns.
    template <typename Step>
    auto on_worker(Step step) {
        decltype(step()) result{};
        worker.run_and_wait([&result, &step] { result = step(); });
        return result;
    }
    /// A new session; returns the client's end.
    int connect(const nbd::Agreement &agreement = {}) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        sessions.home()->adopt(
            {{}, {io::Socket(ends[0])}, {.number = ++last_client, .peer = "test"}, {info, agreement}});
        return ends[1];
    }
    /// Waits until `condition` holds on the worker; false after five seconds.
    template <typename Condition>
    bool becomes_true(Condition condition) {
        for (int i = 0; i < 5000; ++i) {
            if (on_worker(condition))
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }
    void begin_shutdown(base::Duration grace) {
        if (std::exchange(shutting_down_, true))
            return;
        worker.run_and_wait(
            [this, grace] { sessions.shut_down(grace, base::Delegate<>::to<&Service::closed>(*this)); });
    }
    void shut_down(base::Duration grace) {
        begin_shutdown(grace);
        worker.run_and_wait([this] { device.let_go(); });
        if (future_.valid())
            future_.get();
    }

    io::Worker worker;
    base::BufferPool payloads;
    fakes::MemoryDevice device;
    nbd::ExportSessions sessions;
    std::shared_ptr<const nbd::ExportInfo> info;
    std::uint64_t last_client = 0;

private:
    void closed() { closed_.set_value(); }

    bool shutting_down_ = false;
    std::promise<void> closed_;
    std::future<void> future_ = closed_.get_future();
    std::thread thread_;
};

/// One chunk of a structured or extended reply, and the numbers in its payload.
struct Chunk {
    bool last = false;
    wire::Chunk type = wire::Chunk::none;
    std::uint64_t cookie = 0;
    std::uint64_t request_offset = 0;
    Bytes payload{};

    template <typename Number>
    [[nodiscard]] Number number(std::size_t at) const {
        REQUIRE(at + sizeof(Number) <= payload.size());
        return wire::load<Number>(payload.data() + at);
    }
    [[nodiscard]] std::string text(std::size_t at) const {
        return {reinterpret_cast<const char *>(payload.data()) + at, payload.size() - at};
    }
    [[nodiscard]] wire::Error error() const { return static_cast<wire::Error>(number<std::uint32_t>(0)); }
};

class Client {
public:
    explicit Client(Service &service, const nbd::Agreement &agreement = {})
        : agreement_(agreement)
        , socket_(service.connect(agreement)) {
        const timeval limit{10, 0};
        ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }

    void send(const void *bytes, std::size_t size) {
        const auto *at = static_cast<const std::byte *>(bytes);
        while (size > 0) {
            const ssize_t sent = ::send(socket_.fd(), at, size, MSG_NOSIGNAL);
            if (sent <= 0)
                return;
            at += sent;
            size -= static_cast<std::size_t>(sent);
        }
    }
    void post(const wire::RequestHeader &header, const Bytes &payload = {}) {
        Bytes all;
        if (agreement_.dialect == wire::Dialect::extended) {
            const wire::ExtendedRequestBytes bytes = wire::encode_extended_request(header);
            all.assign(bytes.begin(), bytes.end());
        } else {
            const wire::RequestBytes bytes = wire::encode_request(header);
            all.assign(bytes.begin(), bytes.end());
        }
        all.insert(all.end(), payload.begin(), payload.end());
        send(all.data(), all.size());
    }
    /// Exactly `size` bytes, or fewer at the end of the stream.
    Bytes receive(std::size_t size) {
        Bytes bytes(size);
        std::size_t got = 0;
        while (got < size) {
            const ssize_t now = ::recv(socket_.fd(), bytes.data() + got, size - got, 0);
            if (now <= 0)
                break;
            got += static_cast<std::size_t>(now);
        }
        bytes.resize(got);
        return bytes;
    }
    wire::SimpleReply reply() {
        const Bytes bytes = receive(wire::simple_reply_size);
        REQUIRE(bytes.size() == wire::simple_reply_size);
        const wire::SimpleReply reply = wire::decode_simple_reply(bytes.data());
        REQUIRE(reply.magic == wire::simple_reply_magic);
        return reply;
    }
    /// The next chunk of a structured or extended reply.
    Chunk chunk() {
        const bool extended = agreement_.dialect == wire::Dialect::extended;
        const Bytes head = receive(wire::chunk_size_of(agreement_.dialect));
        REQUIRE(head.size() == wire::chunk_size_of(agreement_.dialect));
        REQUIRE(wire::load<std::uint32_t>(head.data()) ==
                (extended ? wire::extended_reply_magic : wire::structured_reply_magic));
        Chunk chunk;
        chunk.last = (wire::load<std::uint16_t>(&head[4]) & wire::done) != 0;
        chunk.type = static_cast<wire::Chunk>(wire::load<std::uint16_t>(&head[6]));
        chunk.cookie = wire::load<std::uint64_t>(&head[8]);
        if (extended)
            chunk.request_offset = wire::load<std::uint64_t>(&head[16]);
        chunk.payload =
            receive(extended ? wire::load<std::uint64_t>(&head[24]) : wire::load<std::uint32_t>(&head[16]));
        return chunk;
    }
    std::uint32_t ask(const wire::RequestHeader &header, const Bytes &payload = {}) {
        post(header, payload);
        return reply().error;
    }
    bool at_end() { return receive(1).empty(); }
    bool has_input(int milliseconds = 50) {
        pollfd state{socket_.fd(), POLLIN, 0};
        return ::poll(&state, 1, milliseconds) == 1;
    }
    void half_close() { ::shutdown(socket_.fd(), SHUT_WR); }
    void close() { socket_.close(); }

private:
    const nbd::Agreement agreement_;
    io::Socket socket_;
};

inline wire::RequestHeader request(wire::Command command, std::uint64_t offset = 0, std::uint32_t length = 0,
                                   std::uint64_t cookie = 1) {
    return {.command = command, .cookie = cookie, .offset = offset, .length = length};
}

} // namespace session_test
