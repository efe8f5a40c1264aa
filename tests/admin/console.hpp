// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "admin/server.hpp"
#include "fakes/fake_maps.hpp"
#include "io/worker.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace admin_test {

inline constexpr int patience_ms = 20000;

/// A client by hand.
class Client {
public:
    explicit Client(const std::string &path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        connect_to(&address, sizeof address);
    }
    explicit Client(std::uint16_t port)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connect_to(&address, sizeof address);
    }
    Client(Client &&other) noexcept
        : fd_(std::exchange(other.fd_, -1))
        , input_(std::move(other.input_))
        , connected_(other.connected_) {}
    ~Client() { close(); }

    [[nodiscard]] bool connected() const { return connected_; }
    bool send(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t done = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (done < 0)
                return false;
            text.remove_prefix(static_cast<std::size_t>(done));
        }
        return true;
    }
    void half_close() const { ::shutdown(fd_, SHUT_WR); }
    void close() {
        if (fd_ >= 0)
            ::close(std::exchange(fd_, -1));
    }
    /// The next line; nothing at the end of the stream, "(timeout)" when none comes.
    std::optional<std::string> line(int timeout_ms = patience_ms) {
        std::size_t end;
        while ((end = input_.find('\n')) == std::string::npos) {
            pollfd wait{fd_, POLLIN, 0};
            if (::poll(&wait, 1, timeout_ms) == 0)
                return "(timeout)";
            std::array<char, 65536> block;
            const ssize_t got = ::recv(fd_, block.data(), block.size(), 0);
            if (got <= 0)
                return std::nullopt;
            input_.append(block.data(), static_cast<std::size_t>(got));
        }
        std::string result = input_.substr(0, end);
        input_.erase(0, end + 1);
        return result;
    }
    /// Everything up to the end of the stream, lines joined by "|".
    std::string rest() {
        std::string all;
        for (std::optional<std::string> next; (next = line());) {
            all += *next + "|";
            if (*next == "(timeout)")
                break;
        }
        return all;
    }
    [[nodiscard]] bool silent() { return line(50) == "(timeout)"; }

private:
    void connect_to(const void *address, socklen_t size) {
        connected_ = ::connect(fd_, static_cast<const sockaddr *>(address), size) == 0;
    }
    int fd_;
    std::string input_;
    bool connected_ = false;
};

/// A running admin server over two fake maps, its loop in a thread of its own.
class Console {
public:
    explicit Console(admin::Limits limits = {}) {
        std::string pattern = std::filesystem::temp_directory_path() / "nbdmpath-admin-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        maps.add("mpatha");
        maps.add("mpathb");
        server.emplace(worker, maps, limits);
        server->listen(io::ListeningSocket::open_unix(path()));
        io::ListeningSocket tcp = std::move(io::ListeningSocket::open_tcp("127.0.0.1", 0).front());
        port = static_cast<std::uint16_t>(std::stoi(tcp.name.substr(tcp.name.rfind(':') + 1)));
        server->listen(std::move(tcp));
        thread_ = std::thread([this] { worker.run(); });
    }
    ~Console() {
        worker.run_and_wait([this] { server->close(); });
        worker.stop();
        thread_.join();
        std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string path() const { return directory_ + "/admin.sock"; }
    [[nodiscard]] Client client() const { return Client(path()); }
    void happen(const std::string &map, const std::string &details = "path=a1", int times = 1) {
        worker.run_and_wait([&] {
            for (int i = 0; i < times; ++i)
                maps.happen(map, "PATH_FAILED", details);
        });
    }
    [[nodiscard]] std::size_t sessions() {
        std::size_t count = 0;
        worker.run_and_wait([&] { count = server->sessions(); });
        return count;
    }
    /// Waits until so many sessions are left; false when that does not happen.
    bool sessions_become(std::size_t count) {
        for (int i = 0; i < 1000; ++i) {
            if (sessions() == count)
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

    io::Worker worker;
    fakes::FakeMaps maps;
    std::optional<admin::Server> server;
    std::uint16_t port = 0;

private:
    std::string directory_;
    std::thread thread_;
};

} // namespace admin_test
