// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "backend/backlog.hpp"
#include "backend/fence_command.hpp"
#include "backend/iscsi_dialer.hpp"
#include "backend/iscsi_fences.hpp"
#include "backend/iscsi_job.hpp"
#include "backend/iscsi_orders.hpp"
#include "backend/iscsi_pulse.hpp"
#include "backend/iscsi_session.hpp"
#include "backend/iscsi_stand_in.hpp"
#include "backend/iscsi_unit_reader.hpp"
#include "backend/iscsi_uri.hpp"
#include "block/completion_queue.hpp"

namespace backend {

/// A unit of an iSCSI target: one session at a time, made again when it is lost, with the same session id.
/// Changes that were sent and not answered come back once they are fenced, or when that takes too long
/// (design D3).
class IscsiBackend final : public Backend,
                           private IscsiSession::Owner,
                           private IscsiDialer::Owner,
                           private IscsiFences::Owner {
public:
    IscsiBackend(io::Worker &worker, const Settings &settings);
    ~IscsiBackend() override;

    void open(Observer &observer) override;
    void close(base::Delegate<> closed) noexcept override;
    void submit(block::Request &request) noexcept override;
    [[nodiscard]] bool up() const noexcept override { return up_; }
    [[nodiscard]] std::size_t in_flight() const noexcept override {
        return backlog_.size() + fences_.waiting() + completions_.size();
    }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return unit_.geometry; }
    [[nodiscard]] std::string_view identity() const noexcept override { return identity_; }
    [[nodiscard]] std::string_view fencing() const noexcept override;
    [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_; }
    [[nodiscard]] block::ScsiPort *scsi() noexcept override { return &orders_; }

private:
    void dial() noexcept;
    void not_reached(std::string_view why, std::span<const std::string> silent) noexcept override;
    void stand_in_ended(bool well) noexcept;
    void fence_by_login() noexcept;
    void try_later() noexcept;
    void report_down(std::string_view why) noexcept;

    void logged_in() noexcept override;
    void answered(IscsiSession::Command &command, const IscsiSession::Answer &answer) noexcept override;
    void lost(std::string_view why) noexcept override;
    void unit_was_reset(bool well) noexcept override;
    void fence_ended(block::Request &request, bool fenced) noexcept override;
    void fence_wants_login() noexcept override;
    void run_fence_command() noexcept;
    void fence_command_ended(bool well) noexcept;
    void all_fenced() noexcept override;

    void unit_answered(const IscsiSession::Answer &answer) noexcept;
    void come_up() noexcept;
    void look_for_change(const block::ScsiResult &result, const block::ScsiOutcome &outcome) noexcept;
    void send_waiting() noexcept;
    void go_down() noexcept;
    void fail_everything(int connection) noexcept;
    void suspect(std::string_view why) noexcept;
    void end_when_idle(std::string_view why) noexcept;
    [[nodiscard]] bool refuses_oddly(const block::ScsiResult &result) const noexcept;
    void silent() noexcept;
    void overdue() noexcept;
    void report_closed() noexcept;

    io::Worker &worker_;
    const IscsiUri uri_;
    const base::KeyValues values_;
    const std::chrono::milliseconds io_timeout_;
    const std::chrono::milliseconds stall_timeout_;
    const std::chrono::milliseconds longest_delay_;
    const bool fences_writes_;
    const bool trust_peer_close_;
    const bool has_fence_command_;

    Observer *observer_ = nullptr; ///< nullptr before open() and after close()
    base::Delegate<> closed_;
    bool up_ = false;
    bool told_down_ = false;
    bool served_ = false;      ///< the present session answered a request
    bool suspect_ = false;     ///< the unit may be another one since the session began
    std::string_view changed_; ///< why the session ends as soon as nothing is under way; empty: it goes on
    base::TimePoint up_since_{};
    base::TimePoint next_suspicion_{};
    std::chrono::milliseconds delay_;
    std::uint64_t generation_ = 0;
    ScsiUnit unit_;
    std::string identity_;

    Backlog<IscsiJob> backlog_;
    block::CompletionQueue completions_;
    base::Task report_closed_;
    base::Timer retry_;
    IscsiUnitReader reader_;
    IscsiSession session_;
    IscsiFences fences_;
    FenceCommand fence_command_;
    IscsiStandIn stand_in_;
    IscsiPulse pulse_;
    IscsiOrders orders_;
    IscsiDialer dialer_;
};

} // namespace backend
