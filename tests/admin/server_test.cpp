// SPDX-License-Identifier: BSD-3-Clause
#include "console.hpp"

#include <doctest/doctest.h>
#include <fstream>
#include <sys/stat.h>

using admin_test::Client;
using admin_test::Console;

namespace {

int error_of(const std::function<void()> &step) {
    try {
        step();
    } catch (const base::Error &error) {
        return error.code();
    }
    return 0;
}

mode_t mode_of(const std::string &path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777u : 0;
}

} // namespace

TEST_CASE("a unix socket has exactly its mode and goes away at the end") {
    std::string path;
    {
        Console console;
        path = console.path();
        CHECK(mode_of(path) == 0600);
        console.worker.run_and_wait([&] { console.server->listen_unix(path + "2", 0666); });
        CHECK(mode_of(path + "2") == 0666);
        console.worker.run_and_wait([&] { console.server->close(); });
        CHECK_FALSE(std::filesystem::exists(path));
    }
}

TEST_CASE("a socket in use is EADDRINUSE, a stale one is taken over, another file is left alone") {
    Console console;
    fakes::FakeMaps maps;
    admin::Server second(console.worker, maps);
    console.worker.run_and_wait([&] {
        CHECK(error_of([&] { second.listen_unix(console.path()); }) == EADDRINUSE);
        CHECK(error_of([&] { second.listen_tcp("127.0.0.1", console.port); }) == EADDRINUSE);
        CHECK(error_of([&] { second.listen_unix(std::string(200, 'x')); }) == ENAMETOOLONG);
        CHECK(error_of([&] { second.listen_unix("/nonexistent/socket"); }) == ENOENT);
        std::ofstream(console.path() + ".file") << "precious";
        CHECK(error_of([&] { second.listen_unix(console.path() + ".file"); }) == EEXIST);
    });
    CHECK(console.client().connected());
    const std::string stale = console.path() + ".stale";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, stale.data(), stale.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const void *generic = &address;
    REQUIRE(::bind(fd, static_cast<const sockaddr *>(generic), sizeof address) == 0);
    ::close(fd);
    console.worker.run_and_wait([&] { console.server->listen_unix(stale); });
    CHECK(Client(stale).connected());
}

TEST_CASE("two hundred clients are served, no more at a time than may be") {
    admin::Limits limits;
    limits.sessions = 16;
    Console console(limits);
    std::vector<Client> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(console.client());
        REQUIRE(clients.back().connected());
    }
    CHECK(console.sessions() <= 16);
    for (Client &client : clients)
        client.send("ls\n");
    for (Client &client : clients) {
        CHECK(client.line() == "mpatha");
        CHECK(console.sessions() <= 16);
        client.close();
    }
    CHECK(console.sessions_become(0));
    Client other(console.port);
    other.send("quit\n");
    CHECK(other.rest() == "OK|");
}

TEST_CASE("close ends every session, also those that wait") {
    Console console;
    Client idle = console.client();
    Client waiting = console.client();
    Client events(console.port);
    waiting.send("wait mpatha\n");
    events.send("events\n");
    CHECK(events.silent());
    console.worker.run_and_wait([&] { console.server->close(); });
    CHECK(idle.rest() == "");
    CHECK(waiting.rest() == "");
    CHECK(events.rest() == "");
    console.happen("mpatha");
}
