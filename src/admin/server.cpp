// SPDX-License-Identifier: BSD-3-Clause
#include "admin/server.hpp"

#include "admin/listener.hpp"
#include "admin/socket.hpp"

#include <utility>

namespace admin {

Server::Server(io::Worker &control, command::Maps &maps, const Limits &limits)
    : control_(control)
    , maps_(maps)
    , limits_(limits) {}

Server::~Server() = default;

void Server::listen_unix(const std::string &path, mode_t mode) { add(admin::listen_unix(path, mode), path); }

std::uint16_t Server::listen_tcp(const std::string &address, std::uint16_t port) {
    return local_port(add(admin::listen_tcp(address, port), "").fd());
}

void Server::listen_on(int fd) { add(fd, ""); }

void Server::close() noexcept { listeners_.clear(); }

std::size_t Server::sessions() const noexcept {
    std::size_t count = 0;
    for (const auto &listener : listeners_)
        count += listener->sessions();
    return count;
}

Listener &Server::add(int fd, std::string path) {
    const Session::Surroundings surroundings{control_, maps_, limits_.unsent_bytes};
    listeners_.push_back(std::make_unique<Listener>(surroundings, limits_.sessions, fd, std::move(path)));
    return *listeners_.back();
}

} // namespace admin
