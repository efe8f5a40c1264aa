// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"
#include "backend/scsi_unit.hpp"
#include "base/scheduler.hpp"
#include "block/request.hpp"

#include <array>
#include <optional>

namespace backend {

/// One request on its way to a unit: the commands it takes, one after another (a piece of a long length, the
/// flush that stands in for FUA). What the unit does not know is replaced here. Owned by the backend's pool.
class IscsiJob : public IscsiSession::Command {
public:
    IscsiJob(block::Request &request, base::TimePoint deadline) noexcept
        : Command(Kind::request)
        , request_(request)
        , deadline_(deadline) {}

    [[nodiscard]] block::Request &request() const noexcept { return request_; }
    [[nodiscard]] base::TimePoint deadline() const noexcept { return deadline_; }
    /// What the command under way does.
    [[nodiscard]] block::Operation sent() const noexcept { return sent_; }

    /// Issues the first command. Nothing: it is under way; otherwise the request is done with this status.
    std::optional<block::Status> begin(IscsiSession &session, const ScsiUnit &unit) noexcept;
    /// The command under way ended: issues the next one, as begin() does. `unit` forgets what it turned out
    /// not to know.
    std::optional<block::Status> proceed(IscsiSession &session, ScsiUnit &unit,
                                         const block::ScsiOutcome &outcome, std::uint32_t moved) noexcept;

private:
    [[nodiscard]] bool needs_flush(const ScsiUnit &unit) const noexcept;
    std::optional<block::Status> next(IscsiSession &session, const ScsiUnit &unit) noexcept;
    std::optional<block::Status> tell_status(ScsiUnit &unit, const block::ScsiOutcome &outcome,
                                             std::uint32_t moved) noexcept;
    std::optional<block::Status> without(IscsiSession &session, ScsiUnit &unit) noexcept;
    [[nodiscard]] ScsiCommand next_piece(const ScsiUnit &unit) noexcept;

    block::Request &request_;
    base::TimePoint deadline_;
    std::uint64_t done_ = 0;
    std::uint64_t piece_ = 0; ///< bytes of the request that the command under way deals with
    std::uint32_t data_ = 0;  ///< bytes of data that it moves
    block::Operation sent_ = block::Operation::flush;
    bool flushed_ = false;
    bool unmaps_ = false; ///< it is a WRITE SAME that may leave holes
    /// Of UNMAP, or the answer to GET LBA STATUS: up to 31 stretches.
    std::array<std::byte, 504> parameters_{};
    static_assert(sizeof parameters_ >= scsi::unmap_length);
};

} // namespace backend
