// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "nbd/listener.hpp"
#include "nbd/negotiation.hpp"

#include <memory>
#include <vector>

namespace nbd {

struct ServerLimits {
    std::size_t connections = 1024;                              ///< in all; beyond, accepting pauses
    std::size_t handshakes = 64;                                 ///< of them not yet in transmission
    base::Duration handshake_timeout = std::chrono::seconds(10); ///< 0: none
};

/// Listens, negotiates, and hands what was agreed over to the sessions of the export. Made, used and
/// destroyed on the control worker (or while it does not run); that worker outlives all connections.
class Server final : Listener::Owner, Negotiation::Owner {
public:
    Server(io::Worker &control, const Exports &exports, const ServerLimits &limits = {});
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;
    /// Closes at once what is still being negotiated. Sessions are not touched.
    ~Server();

    /// Begins to accept on the socket. With TLS, there must be credentials.
    void listen(io::ListeningSocket socket, TlsMode tls = TlsMode::off);
    /// For the connections that are accepted from now on.
    void use(std::shared_ptr<const TlsCredentials> credentials) noexcept {
        credentials_ = std::move(credentials);
    }

    /// From here to resume() those who connect wait in the sockets' backlog.
    void pause() noexcept { paused_ = true; }
    void resume() noexcept;

    /// Listens no more; those still negotiating are told ERR_SHUTDOWN and have a second to leave. Calls
    /// `stopped` once, from the loop, when they are gone.
    void stop(base::Delegate<> stopped);

    [[nodiscard]] std::size_t connections() const noexcept { return limit_->used(); }
    [[nodiscard]] std::size_t handshakes() const noexcept { return handshakes_; }

private:
    [[nodiscard]] bool has_room() const noexcept override;
    void accepted(io::Socket socket, TlsMode tls) override;
    void negotiated(Negotiation &negotiation, Connection connection) override;
    void failed(Negotiation &negotiation) noexcept override;
    void room_again() noexcept;
    void bury() noexcept;

    io::Worker &control_;
    const Exports &exports_;
    const ServerLimits limits_;
    std::shared_ptr<const TlsCredentials> credentials_; ///< shared with the connections that use them
    std::shared_ptr<ConnectionLimit> limit_;            ///< shared with every connection's slot
    std::vector<std::unique_ptr<Listener>> listeners_;
    base::List<Negotiation> negotiations_;
    base::List<Negotiation> ended_;
    std::size_t handshakes_ = 0;
    std::uint64_t last_client_ = 0;
    bool paused_ = false;
    base::Delegate<> stopped_;
    base::Task burial_;
};

} // namespace nbd
