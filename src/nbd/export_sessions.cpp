// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/export_sessions.hpp"

#include "io/worker.hpp"

#include <cassert>
#include <limits>

namespace nbd {

ExportSessions::ExportSessions(io::Worker &worker, block::Device &device, base::BufferPool &payloads,
                               const SessionLimits &limits, DropHeld drop_held)
    : worker_(worker)
    , device_(worker, device)
    , payloads_(payloads)
    , limits_(limits)
    , drop_held_(drop_held)
    , blocks_(worker, std::numeric_limits<std::size_t>::max())
    , home_(std::make_shared<SessionHome>(worker, *this))
    , burial_(base::Delegate<>::to<&ExportSessions::bury>(*this))
    , grace_(worker, base::Delegate<>::to<&ExportSessions::grace_is_over>(*this)) {}

ExportSessions::~ExportSessions() {
    home_->abandon();
    assert(count_ == 0);
}

void ExportSessions::add(Connection connection) {
    block::Geometry told = connection.negotiated.info->geometry;
    told.read_only = device_.geometry().read_only; // an export may be so by itself
    if (shutting_down_ || !let_in_ || told != device_.geometry())
        return;
    // Who connects again has closed the old connection: what that has left must not come after what this one
    // will do.
    if (!told.read_only)
        sessions_.for_each([](Session &session) { session.give_way(); });
    ++count_;
    ++counters_.sessions;
    // Owned by the list from here to bury().
    auto *session = new Session(*this, std::move(connection), device_.generation());
    sessions_.push_back(*session);
    session->start();
}

bool ExportSessions::kick(std::uint64_t client) noexcept {
    Session *found = nullptr;
    sessions_.for_each([&found, client](Session &session) {
        if (session.client().number == client)
            found = &session;
    });
    if (found != nullptr)
        found->hang_up("kicked");
    return found != nullptr;
}

void ExportSessions::drop_held(const Session &session) noexcept {
    device_.drop_waiting(session);
    if (drop_held_)
        drop_held_(session);
}

void ExportSessions::ended(Session &session) noexcept {
    // Not here: the session is still on the stack.
    session.unlink();
    dead_.push_back(session);
    worker_.post(burial_);
}

void ExportSessions::bury() noexcept {
    while (!dead_.empty()) {
        delete &dead_.pop_front();
        --count_;
    }
    if (count_ == 0)
        pipes_.rest();
    if (shutting_down_ && count_ == 0 && closed_) {
        grace_.cancel();
        std::exchange(closed_, base::Delegate<>{})();
    }
}

void ExportSessions::shut_down(base::Duration grace, base::Delegate<> closed) {
    shutting_down_ = true;
    closed_ = closed;
    grace_.start_in(grace);
    sessions_.for_each([](Session &session) { session.shut_down(); });
    worker_.post(burial_);
}

void ExportSessions::grace_is_over() noexcept {
    sessions_.for_each([](Session &session) { session.hang_up("the server is shutting down"); });
}

} // namespace nbd
