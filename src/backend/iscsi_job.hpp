// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"
#include "backend/scsi_unit.hpp"
#include "base/scheduler.hpp"
#include "block/request.hpp"

#include <array>
#include <optional>

namespace backend {

/// One request on its way to a unit, in the commands it takes: the pieces of a long transfer, a few at a
/// time, the flush that stands in for FUA. What the unit does not know is replaced here. Done when nothing of
/// it is under way any more. Owned by the backend's pool.
class IscsiJob : public base::ListHook {
public:
    /// One of its commands.
    class Piece : public IscsiSession::Command {
        friend IscsiJob;

    public:
        Piece() noexcept
            : Command(Kind::request) {}
        [[nodiscard]] IscsiJob &job() const noexcept { return *job_; }

    private:
        IscsiJob *job_ = nullptr;   ///< while it is under way
        std::uint64_t stretch_ = 0; ///< bytes of the request that it deals with
        std::uint32_t data_ = 0;    ///< bytes of data that it moves
    };

    IscsiJob(block::Request &request, base::TimePoint deadline) noexcept
        : request_(request)
        , deadline_(deadline) {}

    [[nodiscard]] block::Request &request() const noexcept { return request_; }
    [[nodiscard]] base::TimePoint deadline() const noexcept { return deadline_; }
    /// What the commands under way do.
    [[nodiscard]] block::Operation sent() const noexcept { return sent_; }

    /// Issues the first commands. Nothing: they are under way; otherwise the request is done with this
    /// status.
    std::optional<block::Status> begin(IscsiSession &session, const ScsiUnit &unit) noexcept;
    /// One of them ended: issues what comes next, as begin() does. `unit` forgets what it turned out not to
    /// know.
    std::optional<block::Status> proceed(IscsiSession &session, ScsiUnit &unit, Piece &piece,
                                         const block::ScsiOutcome &outcome, std::uint32_t moved) noexcept;
    /// Nothing more of it is issued, and what is under way is not believed: the request ends with this status
    /// after the last command.
    void give_up(block::Status status) noexcept {
        if (!failure_)
            failure_ = status;
    }

private:
    [[nodiscard]] bool needs_flush(const ScsiUnit &unit) const noexcept;
    std::optional<block::Status> next(IscsiSession &session, const ScsiUnit &unit) noexcept;
    void issue(IscsiSession &session, const ScsiCommand &command, std::uint64_t stretch) noexcept;
    [[nodiscard]] std::size_t most_at_once() const noexcept;
    [[nodiscard]] ScsiRange range_of(const ScsiUnit &unit, std::uint32_t most) const noexcept;
    std::optional<block::Status> tell_status(ScsiUnit &unit, const block::ScsiOutcome &outcome,
                                             std::uint32_t data) noexcept;
    std::optional<block::Status> without(IscsiSession &session, ScsiUnit &unit) noexcept;
    void issue_stretch(IscsiSession &session, const ScsiUnit &unit) noexcept;
    void issue_write(IscsiSession &session, const ScsiUnit &unit) noexcept;

    block::Request &request_;
    base::TimePoint deadline_;
    std::uint64_t begun_ = 0; ///< bytes of the request that commands have been issued for
    std::optional<block::Status> failure_;
    std::array<Piece, 4> pieces_; ///< at the same time
    unsigned under_way_ = 0;
    block::Operation sent_ = block::Operation::flush;
    bool flushed_ = false;
    bool unmaps_ = false; ///< it is a WRITE SAME that may leave holes
    /// Of UNMAP, or the answer to GET LBA STATUS: up to 31 stretches.
    std::array<std::byte, 504> parameters_{};
    static_assert(sizeof parameters_ >= scsi::unmap_length);
};

} // namespace backend
