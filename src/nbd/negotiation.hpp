// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "base/scheduler.hpp"
#include "nbd/channel.hpp"
#include "nbd/handshake.hpp"
#include "nbd/session_home.hpp"

namespace nbd {

/// One accepted connection until it enters transmission: a Handshake on a socket, under a deadline. On the
/// control worker, owned by the server, which hears of its end by negotiated() or failed().
class Negotiation final : public base::ListHook, Visitor {
public:
    class Owner {
    public:
        /// Ends with an agreement: `connection` is taken out of the negotiation.
        virtual void negotiated(Negotiation &negotiation, Connection connection) = 0;
        /// Ends without one; the socket is closed.
        virtual void failed(Negotiation &negotiation) noexcept = 0;

    protected:
        ~Owner() = default;
    };

    struct Terms {
        TlsMode tls;
        std::shared_ptr<const TlsCredentials> credentials; ///< none: TLS is off
        base::Duration deadline;                           ///< 0: none
    };

    Negotiation(io::Worker &worker, Owner &owner, const Exports &exports, ConnectionLimit &limit,
                Connection connection, Terms terms);

    /// Sends the greeting.
    void start() { go_on(); }
    /// Options are answered ERR_SHUTDOWN from now on, and not for long.
    void shut_down();

private:
    [[nodiscard]] bool may_open(const ExportInfo &info) const override;
    [[nodiscard]] std::string_view enter(const ExportInfo &info, bool &wait) override;

    void go_on() noexcept;
    void ask_again() noexcept;
    bool send_reply();
    bool start_tls();
    bool shake_hands();
    bool receive();
    void too_late() noexcept { end(); }
    void end() noexcept;

    Owner &owner_;
    ConnectionLimit &limit_;
    const Terms terms_;
    Connection connection_;
    Channel channel_;
    Handshake handshake_;
    Handshake::Verdict verdict_ = Handshake::Verdict::more;
    std::vector<std::byte> reply_;
    std::size_t sent_ = 0;
    bool shaking_hands_ = false; ///< of TLS
    base::Timer deadline_;
    int asked_ = 0;     ///< how often for a place in a full export
    base::Timer again_; ///< until it asks the next time
};

} // namespace nbd
