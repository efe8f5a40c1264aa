// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/channel.hpp"
#include "nbd/client.hpp"
#include "nbd/connection_limit.hpp"
#include "nbd/handshake.hpp"

#include <memory>

namespace nbd {

class ExportSessions;

/// A negotiated connection on its way to its session. Nothing of the transmission phase has been read.
struct Connection {
    // First, so that it is freed last: the place is free when the descriptor is.
    ConnectionLimit::Slot slot;
    Link link;
    Client client{};
    Handshake::Result negotiated{};
};

/// The way to the sessions of an export from another worker. Shared by the sessions' owner and by the
/// snapshots that name it, because a snapshot may outlive the export; then connections are closed on arrival.
class SessionHome : public std::enable_shared_from_this<SessionHome> {
public:
    /// Made by ExportSessions, on its worker.
    SessionHome(io::Worker &worker, ExportSessions &sessions) noexcept
        : worker_(worker)
        , sessions_(&sessions) {}

    /// Hands the connection over. Any worker.
    void adopt(Connection connection);
    /// The sessions are no more. Home worker.
    void abandon() noexcept { sessions_ = nullptr; }

private:
    io::Worker &worker_;
    ExportSessions *sessions_;
};

} // namespace nbd
