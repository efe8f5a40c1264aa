// SPDX-License-Identifier: BSD-3-Clause
#include "backend/peer_end.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace {

/// Two ends of a TCP connection on loopback.
struct Connection {
    Connection() {
        const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto *generic = reinterpret_cast<sockaddr *>(&address);
        REQUIRE(::bind(listening, generic, length) == 0);
        REQUIRE(::listen(listening, 1) == 0);
        REQUIRE(::getsockname(listening, generic, &length) == 0);
        ours = ::socket(AF_INET, SOCK_STREAM, 0);
        REQUIRE(::connect(ours, generic, length) == 0);
        theirs = ::accept(listening, nullptr, nullptr);
        REQUIRE(theirs >= 0);
        ::close(listening);
    }
    ~Connection() {
        ::close(ours);
        if (theirs >= 0)
            ::close(theirs);
    }
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    void peer_closes() { ::close(std::exchange(theirs, -1)); }
    /// Until something of the peer's end has arrived here.
    void wait_for_end() const {
        pollfd socket{.fd = ours, .events = POLLRDHUP, .revents = 0};
        REQUIRE(::poll(&socket, 1, 10000) == 1);
    }

    int ours = -1;
    int theirs = -1;
};

} // namespace

TEST_CASE("a connection that is open was not ended by the peer, nor was one that we closed in our direction") {
    const Connection connection;
    CHECK(!backend::ended_by_peer(connection.ours));
    ::shutdown(connection.ours, SHUT_WR);
    CHECK(!backend::ended_by_peer(connection.ours));
}

TEST_CASE("the end of the peer's stream is seen, before and after ours") {
    Connection connection;
    SUBCASE("first") {}
    SUBCASE("second") { ::shutdown(connection.ours, SHUT_WR); }
    connection.peer_closes();
    connection.wait_for_end();
    CHECK(backend::ended_by_peer(connection.ours));
}

TEST_CASE("a reset is the peer's end, also when the error has been fetched already") {
    Connection connection;
    const char byte = 0;
    REQUIRE(::send(connection.ours, &byte, 1, 0) == 1);
    connection.peer_closes(); // with something unread: a reset
    connection.wait_for_end();
    char answer = 0;
    CHECK(::recv(connection.ours, &answer, 1, MSG_DONTWAIT) == -1);
    CHECK(backend::ended_by_peer(connection.ours));
}

TEST_CASE("of what is no connection nothing can be told") {
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(!backend::ended_by_peer(descriptor));
    ::close(descriptor);
    CHECK(!backend::ended_by_peer(-1));
}
