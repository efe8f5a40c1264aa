// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_fences.hpp"

#include "backend/peer_end.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <sys/socket.h>

namespace backend {

namespace {

using namespace std::chrono_literals;
constexpr auto farewell_patience = 1s;
constexpr int most_reads = 16; // in one turn

} // namespace

IscsiFences::IscsiFences(io::Worker &worker, std::string path, Rules rules, Owner &owner) noexcept
    : worker_(worker)
    , path_(std::move(path))
    , rules_(rules)
    , owner_(owner)
    , limit_(worker, base::Delegate<>::to<&IscsiFences::expire>(*this))
    , tell_(base::Delegate<>::to<&IscsiFences::tell>(*this)) {}

IscsiFences::~IscsiFences() { assert(waiting_ == 0 && "said farewell, and waited"); }

void IscsiFences::begin(int socket, Place place, base::List<block::Request> &sent) {
    Fence &fence = fences_.emplace_back(*this);
    fence.place = std::move(place);
    fence.waiting.take_all(sent);
    fence.waiting.for_each([this](const block::Request &) { ++waiting_; });
    fence.until = worker_.now() + (farewell_ ? farewell_patience : rules_.timeout);
    if (!limit_.active())
        limit_.start_at(fence.until);
    if (socket < 0)
        return;
    fence.connection = io::FdWatch(worker_, socket);
    fence.closed = ended_by_peer(socket);
    if (fence.closed) {
        fence.connection.close();
        return;
    }
    ::shutdown(socket, SHUT_WR);
    fence.connection.wait_read(base::Delegate<>::to<&Fence::readable>(fence));
}

/// Reads away what still comes, to see the end of it.
void IscsiFences::drain(Fence &fence) noexcept {
    static thread_local std::array<std::byte, 64 << 10> rubbish;
    const int socket = fence.connection.fd();
    for (int reads = 0; reads < most_reads; ++reads) {
        const ssize_t count = ::recv(socket, rubbish.data(), rubbish.size(), MSG_DONTWAIT);
        if (count > 0)
            continue;
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        fence.closed = count == 0 || errno == ECONNRESET;
        fence.connection.close();
        if (fence.closed)
            connection_closed(fence);
        return;
    }
    fence.connection.wait_read(base::Delegate<>::to<&Fence::readable>(fence));
}

void IscsiFences::connection_closed(Fence &fence) noexcept {
    base::log::debug("path {}: the target has closed an old connection", path_);
    if (farewell_)
        end_closed();
    else if (rules_.trust_peer_close && !fence.had_reset)
        owner_.fence_wants_login();
}

void IscsiFences::end_closed() noexcept {
    if (rules_.trust_peer_close)
        end_if([](const Fence &fence) { return fence.closed; });
}

void IscsiFences::nobody_listens(std::span<const std::string> portals) noexcept {
    const auto is_silent = [portals](const Fence &fence) {
        return fence.closed && std::ranges::find(portals, fence.place.portal) != portals.end();
    };
    if (rules_.trust_peer_close)
        end_if(is_silent);
}

void IscsiFences::reinstated(const std::string &portal) noexcept {
    end_if([&portal](const Fence &fence) { return fence.place.portal == portal; });
}

bool IscsiFences::any_at(const std::string &portal) const noexcept {
    return std::ranges::any_of(fences_,
                               [&portal](const Fence &fence) { return fence.place.portal == portal; });
}

bool IscsiFences::wants_reset(const std::string &server) const noexcept {
    return rules_.trust_peer_close && std::ranges::any_of(fences_, [&server](const Fence &fence) {
               return fence.closed && !fence.had_reset && fence.place.server == server;
           });
}

void IscsiFences::reset_begun(const std::string &server) noexcept {
    for (Fence &fence : fences_) {
        fence.resets = fence.closed && fence.place.server == server;
        fence.had_reset = fence.had_reset || fence.resets;
    }
}

void IscsiFences::reset_ended(bool well) noexcept {
    if (well)
        end_if([](const Fence &fence) { return fence.resets; });
}

std::string IscsiFences::wants_command() const {
    const auto fence = std::ranges::find(fences_, false, &Fence::had_command);
    return fence == fences_.end() ? std::string() : fence->place.server;
}

void IscsiFences::command_begun(const std::string &server) {
    command_for_ = server;
    for (Fence &fence : fences_)
        fence.had_command = fence.had_command || fence.place.server == server;
}

void IscsiFences::command_ended(bool well) noexcept {
    if (well)
        end_if(
            [this](const Fence &fence) { return fence.had_command && fence.place.server == command_for_; });
}

void IscsiFences::say_farewell() noexcept {
    farewell_ = true;
    tell_.withdraw();
    end_closed();
    if (fences_.empty())
        return;
    for (Fence &fence : fences_)
        fence.until = std::min(fence.until, worker_.now() + farewell_patience);
    limit_.start_at(fences_.front().until);
}

template <typename Over>
void IscsiFences::end_if(Over over) noexcept {
    bool any_given_back = false;
    for (auto at = fences_.begin(); at != fences_.end();) {
        if (!over(*at)) {
            ++at;
            continue;
        }
        any_given_back = any_given_back || at->given_back;
        give_back(*at, true);
        at = fences_.erase(at);
    }
    if (any_given_back && !farewell_)
        worker_.post(tell_);
}

void IscsiFences::give_back(Fence &fence, bool fenced) noexcept {
    if (!fence.waiting.empty() && !fenced) {
        fence.given_back = true;
        base::log::error(
            "path {}: writes that it was sent may still be carried out: they fail, and so does what "
            "would be written there, until the target is back or 'reinstate_path {}' says that it "
            "has ended",
            path_, path_);
    }
    while (!fence.waiting.empty()) {
        --waiting_;
        owner_.fence_ended(fence.waiting.pop_front(), fenced);
    }
}

void IscsiFences::expire() noexcept {
    const base::TimePoint now = worker_.now();
    base::TimePoint next = base::TimePoint::max();
    for (Fence &fence : fences_) {
        if (fence.until > now)
            next = std::min(next, fence.until);
        else
            give_back(fence, false);
    }
    if (farewell_)
        fences_.remove_if([](const Fence &fence) { return fence.waiting.empty(); });
    if (next != base::TimePoint::max())
        limit_.start_at(next);
}

void IscsiFences::tell() noexcept {
    if (std::ranges::none_of(fences_, &Fence::given_back))
        owner_.all_fenced();
}

} // namespace backend
