// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/server.hpp"

#include "base/log.hpp"
#include "io/worker.hpp"
#include "nbd/socket.hpp"

#include <utility>

namespace nbd {

Server::Server(io::Worker &control, const Exports &exports, const ServerLimits &limits)
    : control_(control)
    , exports_(exports)
    , limits_(limits)
    , limit_(std::make_shared<ConnectionLimit>(control, limits.connections,
                                               base::Delegate<>::to<&Server::room_again>(*this)))
    , burial_(base::Delegate<>::to<&Server::bury>(*this)) {}

Server::~Server() {
    limit_->forget_server();
    listeners_.clear();
    ended_.take_all(negotiations_);
    stopped_ = {};
    bury();
}

void Server::listen(io::ListeningSocket socket, TlsMode tls) {
    Listener::Owner &owner = *this; // private base: make_unique could not convert
    listeners_.push_back(std::make_unique<Listener>(control_, owner, std::move(socket), tls));
}

bool Server::has_room() const noexcept {
    return !paused_ && handshakes_ < limits_.handshakes && !limit_->full();
}

void Server::accepted(io::Socket socket, TlsMode tls) {
    prepare_accepted(socket.fd());
    Client client = client_of(socket.fd(), ++last_client_);
    Connection connection{limit_->take(), {std::move(socket)}, std::move(client), {}};
    const Negotiation::Terms terms{tls, credentials_, limits_.handshake_timeout};
    // Owned by the list from here to bury().
    auto *negotiation = new Negotiation(control_, *this, exports_, *limit_, std::move(connection), terms);
    negotiations_.push_back(*negotiation);
    ++handshakes_;
    negotiation->start();
}

void Server::negotiated(Negotiation &negotiation, Connection connection) {
    base::log::debug("client {} opened export '{}'", connection.client.peer,
                     connection.negotiated.info->name);
    const std::shared_ptr<SessionHome> home = connection.negotiated.info->home;
    if (home != nullptr)
        home->adopt(std::move(connection));
    failed(negotiation);
}

void Server::failed(Negotiation &negotiation) noexcept {
    // Not destroyed here: it is still on the stack.
    negotiation.unlink();
    ended_.push_back(negotiation);
    control_.post(burial_);
}

void Server::bury() noexcept {
    while (!ended_.empty()) {
        delete &ended_.pop_front();
        --handshakes_;
    }
    room_again();
    if (stopped_ && handshakes_ == 0)
        std::exchange(stopped_, base::Delegate<>{})();
}

void Server::room_again() noexcept {
    for (const auto &listener : listeners_)
        listener->resume();
}

void Server::resume() noexcept {
    paused_ = false;
    room_again();
}

void Server::stop(base::Delegate<> stopped) {
    listeners_.clear();
    negotiations_.for_each([](Negotiation &negotiation) { negotiation.shut_down(); });
    stopped_ = stopped;
    control_.post(burial_);
}

} // namespace nbd
