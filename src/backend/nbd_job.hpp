// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/nbd_connection.hpp"
#include "base/scheduler.hpp"
#include "block/request.hpp"

#include <optional>

namespace backend {

/// One request on its way to a server: the commands it takes, one after another (a piece of a long length,
/// the flush that stands in for FUA). What the server does not offer is replaced here. Owned by the backend's
/// pool.
class NbdJob : public NbdConnection::Command {
public:
    NbdJob(block::Request &request, base::TimePoint deadline) noexcept
        : request_(request)
        , deadline_(deadline) {}

    [[nodiscard]] block::Request &request() const noexcept { return request_; }
    [[nodiscard]] base::TimePoint deadline() const noexcept { return deadline_; }

    /// Issues the first command. Nothing: it is under way; otherwise the request is done with this status.
    std::optional<block::Status> begin(NbdConnection &connection) noexcept;
    /// The command under way was answered: issues the next one, as begin() does.
    std::optional<block::Status> proceed(NbdConnection &connection, int error) noexcept;

private:
    enum class Stage : std::uint8_t { pieces, flush, done };

    [[nodiscard]] bool needs_flush(const NbdAbilities &abilities) const noexcept;
    std::optional<block::Status> next(NbdConnection &connection) noexcept;
    [[nodiscard]] block::Status allocated() noexcept;
    [[nodiscard]] NbdConnection::Order next_piece(const NbdConnection &connection) const noexcept;

    block::Request &request_;
    base::TimePoint deadline_;
    std::uint64_t done_ = 0;
    std::uint64_t piece_ = 0;
    Stage stage_ = Stage::pieces;
};

} // namespace backend
