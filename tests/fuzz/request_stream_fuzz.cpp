// SPDX-License-Identifier: BSD-3-Clause
// Whatever a client says in transmission, to a real session on a socket pair. The first byte: simple,
// structured or extended, bound to block sizes or not. The session must end when the client does.
#include "../nbd/session_service.hpp"
#include "nbd/agreement.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using session_test::Service;

nbd::Agreement agreement_of(std::uint8_t choice) {
    nbd::Agreement agreement;
    constexpr wire::Dialect dialects[] = {wire::Dialect::simple, wire::Dialect::structured,
                                          wire::Dialect::extended};
    agreement.dialect = dialects[choice % 3];
    agreement.block_sizes = (choice & 4) != 0;
    return agreement;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0 || size > (std::size_t{64} << 10))
        return 0; // what is sent at once must fit into the socket
    static Service service({.size = 1 << 20, .minimum_block = 512});
    const int client = service.connect(agreement_of(data[0]));
    const timeval limit{20, 0};
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)!::send(client, data + 1, size - 1, MSG_NOSIGNAL);
    ::shutdown(client, SHUT_WR);
    std::array<std::byte, 65536> answer;
    for (;;) {
        const ssize_t got = ::recv(client, answer.data(), answer.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            std::abort(); // it neither answers nor ends
        if (got <= 0)
            break;
    }
    ::close(client);
    return 0;
}
