// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "fakes/memory_device.hpp"
#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"

#include <chrono>
#include <future>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>

namespace session_test {

/// An export with a disk in memory on a worker of its own, and clients on socket pairs.
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
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error("no socket pair");
        adopt({io::Socket(ends[0])}, agreement);
        return ends[1];
    }
    /// The same with the server's end of a connection, and the TLS on it.
    void adopt(nbd::Link link, const nbd::Agreement &agreement) {
        sessions.home()->adopt(
            {{}, std::move(link), {.number = ++last_client, .peer = "test"}, {info, agreement}});
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

} // namespace session_test
