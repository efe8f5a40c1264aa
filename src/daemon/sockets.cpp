// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/sockets.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "daemon/variable.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace nbdmpathd {

namespace {

constexpr int first_activated = 3;
constexpr std::uint64_t most_activated = 64;

/// The next of a list of words with colons between them.
std::string next_name(std::string &names) {
    const std::size_t colon = std::min(names.find(':'), names.size());
    std::string name = names.substr(0, colon);
    names.erase(0, std::min(colon + 1, names.size()));
    return name;
}

bool is_same(const config::Listener &listener, const io::ListeningSocket &socket) {
    const std::string text = listener.text();
    if (listener.kind != config::Listener::Kind::tcp || !listener.address.empty())
        return socket.name == text;
    return socket.name == "[::]" + text || socket.name == "0.0.0.0" + text;
}

std::vector<io::ListeningSocket> open_listener(const config::Listener &listener) {
    std::vector<io::ListeningSocket> opened;
    switch (listener.kind) {
    case config::Listener::Kind::tcp:
        return io::ListeningSocket::open_tcp(listener.address, static_cast<std::uint16_t>(listener.port));
    case config::Listener::Kind::unix_socket:
        opened.push_back(io::ListeningSocket::open_unix(listener.unix_path,
                                                        {listener.mode, listener.owner, listener.group}));
        break;
    case config::Listener::Kind::vsock:
        opened.push_back(io::ListeningSocket::open_vsock(listener.cid, listener.port));
        break;
    }
    return opened;
}

} // namespace

ActivatedSockets ActivatedSockets::from_environment() {
    const std::string pid = take_variable("LISTEN_PID");
    const std::string count = take_variable("LISTEN_FDS");
    std::string names = take_variable("LISTEN_FDNAMES");
    ActivatedSockets sockets;
    // Meant for another process, of which we inherited the variables.
    if (pid.empty() || base::parse_number(pid) != static_cast<std::uint64_t>(::getpid()))
        return sockets;
    const auto number = base::parse_number(count);
    if (!number || *number > most_activated)
        throw base::Error(EINVAL, "LISTEN_FDS={}: expected a number up to {}", count, most_activated);
    for (int fd = first_activated; fd < first_activated + static_cast<int>(*number); ++fd) {
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        auto &kind = next_name(names) == "admin" ? sockets.admin : sockets.nbd;
        kind.push_back(io::ListeningSocket::adopt(io::Socket(fd)));
    }
    return sockets;
}

std::vector<OpenedSocket> open_sockets(const std::vector<config::Listener> &listeners,
                                       std::vector<io::ListeningSocket> activated) {
    std::vector<OpenedSocket> opened;
    for (io::ListeningSocket &socket : activated) {
        const auto same = [&socket](const auto &listener) { return is_same(listener, socket); };
        const auto found = std::ranges::find_if(listeners, same);
        opened.push_back({std::move(socket), found == listeners.end() ? nullptr : &*found});
    }
    for (const config::Listener &listener : listeners) {
        if (std::ranges::find(opened, &listener, &OpenedSocket::listener) != opened.end())
            continue;
        for (io::ListeningSocket &socket : open_listener(listener))
            opened.push_back({std::move(socket), &listener});
    }
    return opened;
}

} // namespace nbdmpathd
