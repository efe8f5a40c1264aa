// SPDX-License-Identifier: BSD-3-Clause
// The sockets that paths to NBD servers are made of.
#include "backend/nbd_dialer.hpp"
#include "backend/nbd_tls_dialer.hpp"
#include "fakes/no_threads.hpp"
#include "nbd_fixture.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>

using namespace nbd_test;

namespace {

/// A listening TCP socket on a loopback port.
class Listener {
public:
    Listener() {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr *>(&address), length) == 0);
        REQUIRE(::listen(fd_, 1) == 0);
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr *>(&address), &length) == 0);
        port = std::to_string(ntohs(address.sin_port));
    }
    Listener(const Listener &) = delete;
    Listener &operator=(const Listener &) = delete;
    ~Listener() { ::close(fd_); }

    std::string port;

private:
    int fd_;
};

struct Caller {
    void connected(int fd) noexcept { socket = fd; }
    void negotiated(nbd_handle *) noexcept { CHECK(false); }
    void failed(std::string_view text) noexcept {
        ++failures;
        why = text;
    }
    int socket = -1;
    int failures = 0;
    std::string why;
};

constexpr milliseconds limit(5000);

/// A dialer to a name that is to be looked up.
struct NameDialer {
    explicit NameDialer(const std::string &port)
        : dialer(loop.worker, backend::parse_nbd_uri("nbd://localhost:" + port), limit,
                 base::Delegate<int>::to<&Caller::connected>(caller),
                 base::Delegate<std::string_view>::to<&Caller::failed>(caller)) {}
    Loop loop;
    Caller caller;
    backend::NbdDialer dialer;
};

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    CHECK(::getsockopt(fd, level, name, &value, &length) == 0);
    return value;
}

} // namespace

TEST_CASE("the kernel watches a TCP connection: keepalive while idle, a limit on what is not acknowledged") {
    Listener listener;
    Loop loop;
    Caller caller;
    const backend::NbdUri uri = backend::parse_nbd_uri("nbd://127.0.0.1:" + listener.port);
    backend::NbdDialer dialer(loop.worker, uri, milliseconds(7000),
                              base::Delegate<int>::to<&Caller::connected>(caller),
                              base::Delegate<std::string_view>::to<&Caller::failed>(caller));
    dialer.dial(milliseconds(5000));
    REQUIRE(loop.until([&caller] { return caller.socket >= 0; }));
    CHECK(caller.failures == 0);
    CHECK(option(caller.socket, SOL_SOCKET, SO_KEEPALIVE) == 1);
    const int silence =
        option(caller.socket, IPPROTO_TCP, TCP_KEEPIDLE) +
        option(caller.socket, IPPROTO_TCP, TCP_KEEPINTVL) * option(caller.socket, IPPROTO_TCP, TCP_KEEPCNT);
    CHECK(silence <= 30);
    CHECK(option(caller.socket, IPPROTO_TCP, TCP_USER_TIMEOUT) == 7000);
    CHECK(option(caller.socket, IPPROTO_TCP, TCP_NODELAY) == 1);
    ::close(caller.socket);
}

TEST_CASE("a name is looked up beside the loop, once for tries that follow each other") {
    Listener listener;
    NameDialer name(listener.port);
    name.dialer.dial(limit);
    CHECK(name.caller.socket == -1);
    name.dialer.cancel();
    name.dialer.dial(limit);
    REQUIRE(name.loop.until([&name] { return name.caller.socket >= 0; }));
    CHECK(name.caller.failures == 0);
    ::close(std::exchange(name.caller.socket, -1));
    // A lookup that is not wanted any more tells nothing, and the next try looks again.
    name.dialer.dial(limit);
    name.dialer.cancel();
    name.loop.pass(milliseconds(100));
    CHECK(name.caller.socket == -1);
    name.dialer.dial(limit);
    REQUIRE(name.loop.until([&name] { return name.caller.socket >= 0; }));
    CHECK(name.caller.failures == 0);
    ::close(name.caller.socket);
}

TEST_CASE("where no thread can be had a name is not resolved; later it is") {
    Listener listener;
    NameDialer name(listener.port);
    {
        const fakes::NoThreads none;
        name.dialer.dial(limit);
    }
    CHECK(name.caller.failures == 1);
    CHECK(name.caller.why ==
          "cannot resolve 'localhost': cannot start a thread: Resource temporarily unavailable");
    name.dialer.dial(limit);
    REQUIRE(name.loop.until([&name] { return name.caller.socket >= 0; }));
    ::close(name.caller.socket);
}

TEST_CASE("where no thread can be had a TLS dialer fails from the loop, unless it is cancelled") {
    const fakes::NoThreads none;
    Loop loop;
    Caller caller;
    const backend::NbdUri uri =
        backend::parse_nbd_uri("nbds+unix:///?socket=/nowhere&tls-certificates=/nowhere");
    backend::NbdTlsDialer dialer(loop.worker, uri, false, limit,
                                 base::Delegate<nbd_handle *>::to<&Caller::negotiated>(caller),
                                 base::Delegate<std::string_view>::to<&Caller::failed>(caller));
    dialer.dial(limit);
    dialer.cancel();
    loop.pass(milliseconds(1));
    CHECK(caller.failures == 0);
    dialer.dial(limit);
    CHECK(caller.failures == 0);
    REQUIRE(loop.until([&caller] { return caller.failures == 1; }));
    CHECK(caller.why == uri.server() + ": cannot start a thread: Resource temporarily unavailable");
}
