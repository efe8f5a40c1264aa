// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/negotiation.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace nbd {

namespace {
constexpr base::Duration time_to_leave = std::chrono::seconds(1);
constexpr std::size_t most_at_once = 16384;
// A client that has just left gives its place back within this time, wherever it was served.
constexpr base::Duration ask_interval = std::chrono::milliseconds(20);
constexpr int most_asked = 25;
} // namespace

Negotiation::Negotiation(io::Worker &worker, Owner &owner, const Exports &exports, ConnectionLimit &limit,
                         Connection connection, Terms terms)
    : owner_(owner)
    , limit_(limit)
    , terms_(std::move(terms))
    , connection_(std::move(connection))
    , channel_(worker, std::move(connection_.link))
    , handshake_(exports, *this, terms_.tls)
    , deadline_(worker, base::Delegate<>::to<&Negotiation::too_late>(*this))
    , again_(worker, base::Delegate<>::to<&Negotiation::ask_again>(*this)) {
    handshake_.greet(reply_);
    if (terms_.deadline > base::Duration::zero())
        deadline_.start_in(terms_.deadline);
}

void Negotiation::shut_down() {
    handshake_.shut_down();
    deadline_.start_in(time_to_leave);
}

bool Negotiation::may_open(const ExportInfo &info) const {
    const Client &client = connection_.client;
    const ExportPolicy &policy = info.policy;
    const auto has_client = [&client](const base::AddressRange &range) {
        return range.contains(client.address);
    };
    const auto is_named = [&policy](const std::string &identity) {
        return std::ranges::find(policy.tls_identities, identity) != policy.tls_identities.end();
    };
    return (policy.allow.empty() || std::ranges::any_of(policy.allow, has_client)) &&
           (policy.tls_identities.empty() || std::ranges::any_of(client.identities, is_named));
}

std::string_view Negotiation::enter(const ExportInfo &info, bool &wait) {
    const std::string_view full = limit_.enter(connection_.slot, info, connection_.client);
    wait = !full.empty() && ++asked_ < most_asked;
    if (!full.empty() && !wait) {
        asked_ = 0;
        base::log::info("client {} of export '{}' refused: {}", connection_.client.peer, info.name, full);
    }
    return full;
}

void Negotiation::ask_again() noexcept {
    verdict_ = handshake_.again(reply_);
    go_on();
}

// Sends what is to be sent before it takes anything more, so a peer that does not read cannot make us
// collect.
void Negotiation::go_on() noexcept {
    for (;;) {
        if (shaking_hands_ ? !shake_hands() : !send_reply())
            return;
        if (verdict_ == Handshake::Verdict::transmission) {
            deadline_.cancel();
            connection_.link = channel_.release();
            connection_.negotiated = handshake_.result();
            owner_.negotiated(*this, std::move(connection_));
            return;
        }
        if (verdict_ == Handshake::Verdict::hang_up) {
            end();
            return;
        }
        if (verdict_ == Handshake::Verdict::start_tls) {
            if (!start_tls())
                return;
            continue;
        }
        if (verdict_ == Handshake::Verdict::wait) {
            again_.start_in(ask_interval);
            return;
        }
        if (!receive())
            return;
    }
}

// False when it has ended.
bool Negotiation::start_tls() {
    verdict_ = Handshake::Verdict::more;
    try {
        channel_.start_tls(terms_.credentials);
    } catch (const base::Error &error) {
        base::log::warning("client {}: {}", connection_.client.peer, error.what());
        end();
        return false;
    }
    shaking_hands_ = true;
    return true;
}

// False when it waits, or has ended.
bool Negotiation::shake_hands() {
    TlsStream &tls = *channel_.tls();
    switch (tls.handshake()) {
    case TlsStream::Step::want_read:
        channel_.wait_read(base::Delegate<>::to<&Negotiation::go_on>(*this));
        return false;
    case TlsStream::Step::want_write:
        channel_.wait_write(base::Delegate<>::to<&Negotiation::go_on>(*this));
        return false;
    case TlsStream::Step::failed:
        base::log::info("client {}: TLS failed: {}", connection_.client.peer, tls.error());
        end();
        return false;
    case TlsStream::Step::done:
        break;
    }
    shaking_hands_ = false;
    connection_.client.tls = true;
    connection_.client.identities = tls.identities();
    handshake_.tls_is_up();
    return true;
}

// False when it waits, or has ended.
bool Negotiation::send_reply() {
    while (sent_ < reply_.size()) {
        // Every reply frame of an option in one piece: nbd-client takes a short read for an error.
        const iovec rest{reply_.data() + sent_, reply_.size() - sent_};
        const ssize_t sent = channel_.send({&rest, 1});
        if (sent < 0 && errno == EAGAIN) {
            channel_.wait_write(base::Delegate<>::to<&Negotiation::go_on>(*this));
            return false;
        }
        if (sent < 0) {
            end();
            return false;
        }
        sent_ += static_cast<std::size_t>(sent);
    }
    reply_.clear();
    sent_ = 0;
    return true;
}

bool Negotiation::receive() {
    std::array<std::byte, most_at_once> bytes;
    const iovec room{bytes.data(), std::min(bytes.size(), handshake_.wanted())};
    const ssize_t got = channel_.receive({&room, 1});
    if (got < 0 && errno == EAGAIN) {
        channel_.wait_read(base::Delegate<>::to<&Negotiation::go_on>(*this));
        return false;
    }
    if (got <= 0) {
        end();
        return false;
    }
    verdict_ = handshake_.receive({bytes.data(), static_cast<std::size_t>(got)}, reply_);
    // Behind STARTTLS the peer has to wait for our answer: what has come already was put there by somebody
    // else, who may read and write the plain stream.
    if (verdict_ == Handshake::Verdict::start_tls && channel_.has_input()) {
        base::log::warning("client {}: data behind STARTTLS", connection_.client.peer);
        verdict_ = Handshake::Verdict::hang_up;
    }
    return true;
}

void Negotiation::end() noexcept {
    base::log::debug("client {} left during negotiation", connection_.client.peer);
    deadline_.cancel();
    again_.cancel();
    channel_.close();
    owner_.failed(*this);
}

} // namespace nbd
