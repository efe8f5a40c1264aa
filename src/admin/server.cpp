// SPDX-License-Identifier: BSD-3-Clause
#include "admin/server.hpp"

#include "admin/listener.hpp"

#include <utility>

namespace admin {

Server::Server(io::Worker &control, command::Maps &maps, const Limits &limits)
    : control_(control)
    , maps_(maps)
    , limits_(limits) {}

Server::~Server() = default;

void Server::listen(io::ListeningSocket socket) {
    const Session::Surroundings surroundings{control_, maps_, limits_.unsent_bytes};
    listeners_.push_back(std::make_unique<Listener>(surroundings, limits_.sessions, std::move(socket)));
}

void Server::close() noexcept { listeners_.clear(); }

std::size_t Server::sessions() const noexcept {
    std::size_t count = 0;
    for (const auto &listener : listeners_)
        count += listener->sessions();
    return count;
}

} // namespace admin
