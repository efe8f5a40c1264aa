// SPDX-License-Identifier: BSD-3-Clause
// Whatever a client says in transmission, to a real session on a socket pair. The first byte: simple,
// structured or extended, bound to block sizes or not, inside TLS or not. The session must end when the
// client does.
#include "../nbd/session_service.hpp"
#include "base/log.hpp"
#include "nbd/agreement.hpp"
#include "tls_pair.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using session_test::Service;
constexpr timeval patience{20, 0};

/// In this order: the log and OpenSSL must outlive the sessions.
struct World {
    struct Log {
        Log() { base::log::set_level(base::log::Level::error); }
    } log;
    TlsClient tls;
    std::shared_ptr<const nbd::TlsCredentials> credentials = TlsClient::credentials();
    Service service{{.size = 1 << 20, .minimum_block = 512}};
};

nbd::Agreement agreement_of(std::uint8_t choice) {
    nbd::Agreement agreement;
    constexpr wire::Dialect dialects[] = {wire::Dialect::simple, wire::Dialect::structured,
                                          wire::Dialect::extended};
    agreement.dialect = dialects[choice % 3];
    agreement.block_sizes = (choice & 4) != 0;
    return agreement;
}

/// Reads until the end; a session that neither answers nor ends is a finding.
template <typename Receive>
void expect_end(Receive receive) {
    std::array<std::byte, 65536> answer;
    for (;;) {
        errno = 0;
        const auto got = receive(answer.data(), answer.size());
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            std::abort();
        if (got <= 0)
            return;
    }
}

void say_in_plain(World &world, const nbd::Agreement &agreement, const std::uint8_t *data, std::size_t size) {
    const int client = world.service.connect(agreement);
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)!::send(client, data, size, MSG_NOSIGNAL);
    ::shutdown(client, SHUT_WR);
    expect_end([client](std::byte *to, std::size_t room) { return ::recv(client, to, room, 0); });
    ::close(client);
}

void say_inside_tls(World &world, const nbd::Agreement &agreement, const std::uint8_t *data,
                    std::size_t size) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        std::abort();
    auto server = std::make_unique<nbd::TlsStream>(world.credentials, ends[0]);
    SSL *client = world.tls.shake_hands(ends[1], *server);
    world.service.adopt({io::Socket(ends[0]), std::move(server)}, agreement);
    ::fcntl(ends[1], F_SETFL, 0); // it may wait from here on
    ::setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::signal(SIGPIPE, SIG_IGN);
    (void)::SSL_write(client, data, static_cast<int>(size));
    ::SSL_shutdown(client);
    ::shutdown(ends[1], SHUT_WR);
    expect_end(
        [client](std::byte *to, std::size_t room) { return ::SSL_read(client, to, static_cast<int>(room)); });
    ::SSL_free(client);
    ::close(ends[1]);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 2 || size > (std::size_t{64} << 10))
        return 0; // what is sent at once must fit into the socket
    static World world;
    const auto say = (data[0] & 8) != 0 ? say_inside_tls : say_in_plain;
    say(world, agreement_of(data[0]), data + 1, size - 1);
    return 0;
}
