// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/buffer_pool.hpp"
#include "base/object_pool.hpp"
#include "block/device.hpp"
#include "nbd/pipe_pool.hpp"
#include "nbd/read_modify_write.hpp"
#include "nbd/session.hpp"
#include "nbd/session_home.hpp"

namespace nbd {

struct SessionLimits {
    std::size_t requests_per_connection = 128;
    /// Data of writes, and of replies until they are sent. Beyond it a session reads no more requests; one
    /// request may always exceed it.
    std::size_t bytes_per_connection = std::size_t{16} << 20;
    /// Longest silence in the middle of a request, or while replies wait to be read.
    base::Duration stall_timeout = std::chrono::seconds(60);
    /// How long we wait for a peer to close after its last reply.
    base::Duration linger = std::chrono::seconds(1);
    /// How long a session without requests in flight still answers ESHUTDOWN before it ends with the server.
    base::Duration farewell = std::chrono::milliseconds(100);
};

struct SessionCounters : Traffic {
    std::uint64_t sessions = 0; ///< ever
    std::uint64_t refused = 0;  ///< answered with an error by validation or shutdown
    std::uint64_t failed = 0;   ///< answered with the device's error
};

/// All sessions of one export, on its home worker: owns them and what they share. Made, used and destroyed
/// there.
class ExportSessions {
public:
    /// Makes `device` complete, with any error, the requests whose origin is the given layer and that wait
    /// for a path (not those a path has). May be none.
    using DropHeld = base::Delegate<const block::Layer &>;

    /// `device` and `payloads` (the export's share of memory) outlive this.
    ExportSessions(io::Worker &worker, block::Device &device, base::BufferPool &payloads,
                   const SessionLimits &limits = {}, DropHeld drop_held = {});
    ExportSessions(const ExportSessions &) = delete;
    ExportSessions &operator=(const ExportSessions &) = delete;
    /// After `closed` of shut_down(), or when there never was a session.
    ~ExportSessions();

    /// For ExportInfo::home: how the server hands connections over.
    [[nodiscard]] std::shared_ptr<SessionHome> home() const noexcept { return home_; }
    /// Starts a session. The connection is closed instead during shutdown, while nobody is let in, and when
    /// the client was told of another geometry than the device has now.
    void add(Connection connection);
    /// False: the device is about to change its geometry.
    void let_in(bool allowed) noexcept { let_in_ = allowed; }

    /// For the blocks in which requests are received. Beyond it a session gets a small one.
    void set_block_memory(std::size_t bytes) noexcept { blocks_.set_limit(bytes); }
    [[nodiscard]] const base::BufferPool &blocks() const noexcept { return blocks_; }

    /// New connections are closed and new requests answered ESHUTDOWN; sessions end as what they have in
    /// flight is answered, at the latest after `grace`, except for what a device does not give back. Calls
    /// `closed` once, from the loop, when none is left.
    void shut_down(base::Duration grace, base::Delegate<> closed);

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    /// `step` is called with every session that is not at its end, in the order they came.
    template <typename Step>
    void for_each(Step step) const {
        sessions_.for_each([&step](const Session &session) { step(session); });
    }
    /// Hangs up on the client of that number; false when it is not here.
    bool kick(std::uint64_t client) noexcept;
    [[nodiscard]] const SessionCounters &counters() const noexcept { return counters_; }

    // For the sessions.
    [[nodiscard]] io::Worker &worker() const noexcept { return worker_; }
    [[nodiscard]] block::Device &device() noexcept { return device_; }
    [[nodiscard]] base::BufferPool &payloads() noexcept { return payloads_; }
    [[nodiscard]] base::BufferPool &blocks() noexcept { return blocks_; }
    [[nodiscard]] base::ObjectPool<SessionRequest> &requests() noexcept { return requests_; }
    [[nodiscard]] PipePool &pipes() noexcept { return pipes_; }
    [[nodiscard]] const SessionLimits &limits() const noexcept { return limits_; }
    [[nodiscard]] SessionCounters &counters() noexcept { return counters_; }
    void drop_held(const Session &session) noexcept;
    /// The session is closed and has nothing in flight: it is destroyed soon.
    void ended(Session &session) noexcept;

private:
    void bury() noexcept;
    void grace_is_over() noexcept;

    io::Worker &worker_;
    ReadModifyWrite device_;
    base::BufferPool &payloads_;
    const SessionLimits limits_;
    const DropHeld drop_held_;
    base::BufferPool blocks_; ///< one at most for a session
    base::ObjectPool<SessionRequest> requests_;
    PipePool pipes_;
    SessionCounters counters_;
    std::shared_ptr<SessionHome> home_; ///< shared with the snapshots of the export
    base::List<Session> sessions_;
    base::List<Session> dead_;
    std::size_t count_ = 0;
    bool shutting_down_ = false;
    bool let_in_ = true;
    base::Delegate<> closed_;
    base::Task burial_;
    base::Timer grace_;
};

} // namespace nbd
