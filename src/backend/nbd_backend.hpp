// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "backend/backlog.hpp"
#include "backend/fence_command.hpp"
#include "backend/nbd_connection.hpp"
#include "backend/nbd_dialer.hpp"
#include "backend/nbd_job.hpp"
#include "backend/nbd_pulse.hpp"
#include "backend/nbd_tls_dialer.hpp"
#include "backend/nbd_uri.hpp"
#include "block/completion_queue.hpp"

namespace backend {

/// A remote NBD server: one connection at a time, made again when it is lost. What was sent and not answered
/// comes back in doubt (design D3) unless the server ended the connection by itself or was cut off.
class NbdBackend final : public Backend, private NbdConnection::Owner {
public:
    NbdBackend(io::Worker &worker, const Settings &settings);
    ~NbdBackend() override;

    /// That of the path's keys; empty: none.
    static std::string fence_command(const base::KeyValues &values);

    void open(Observer &observer) override;
    void close(base::Delegate<> closed) noexcept override;
    void submit(block::Request &request) noexcept override;
    [[nodiscard]] bool up() const noexcept override { return up_; }
    [[nodiscard]] std::size_t in_flight() const noexcept override {
        return backlog_.size() + fenced_count_ + completions_.size();
    }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    [[nodiscard]] std::string_view identity() const noexcept override { return connection_.identity(); }
    [[nodiscard]] std::string_view fencing() const noexcept override {
        return has_fence_ ? "command" : std::string_view();
    }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_; }
    [[nodiscard]] bool proven_dead() const noexcept override { return proven_dead_; }

private:
    void dial() noexcept;
    void dialed(int fd) noexcept;
    void negotiated_with_tls(nbd_handle *handle) noexcept;
    void attempt_failed(std::string_view why) noexcept;
    void attempt_expired() noexcept;
    void try_later() noexcept;
    void report_down(std::string_view why) noexcept;

    void negotiated() noexcept override;
    void answered(NbdConnection::Command &command, int error) noexcept override;
    void lost(std::string_view why) noexcept override;

    void send_waiting() noexcept;
    void go_down() noexcept;
    void fail_everything() noexcept;
    void wait_for_fence(block::Request &request, bool in_doubt) noexcept;
    void fenced(bool cut_off) noexcept;
    void silent() noexcept;
    void overdue() noexcept;
    void report_closed() noexcept;

    io::Worker &worker_;
    const std::string name_;
    const NbdUri uri_;
    const std::chrono::milliseconds io_timeout_;
    const std::chrono::milliseconds stall_timeout_;
    const std::chrono::milliseconds connect_timeout_;
    const std::chrono::milliseconds longest_delay_;
    const std::size_t max_requests_;
    const bool trust_peer_close_;

    Observer *observer_ = nullptr; ///< nullptr before open() and after close()
    base::Delegate<> closed_;
    bool up_ = false;
    bool told_down_ = false;
    bool in_doubt_ = false;    ///< what was sent last may still be carried out
    bool proven_dead_ = false; ///< the last server ended, or was cut off
    bool cutting_off_ = false; ///< fence_ runs
    bool served_ = false;      ///< the present connection answered a request
    base::TimePoint up_since_{};
    std::chrono::milliseconds delay_;
    std::uint64_t generation_ = 0;
    block::Geometry geometry_;

    Backlog<NbdJob> backlog_;
    block::CompletionQueue completions_;
    base::Task report_closed_;
    std::string why_down_; ///< to be told once the server is cut off
    base::Timer retry_;
    base::Timer attempt_;
    NbdConnection connection_;
    NbdPulse pulse_;
    FenceCommand fence_;
    const bool has_fence_;
    const bool fences_cache_;           ///< also when nothing is in doubt, and everything waits for it
    base::List<block::Request> fenced_; ///< wait until fence_ has ended
    std::size_t fenced_count_ = 0;
    NbdDialer dialer_;
    NbdTlsDialer tls_dialer_;
};

} // namespace backend
