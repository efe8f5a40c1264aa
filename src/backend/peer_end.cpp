// SPDX-License-Identifier: BSD-3-Clause
#include "backend/peer_end.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace backend {

bool ended_by_peer(int socket) noexcept {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return false;
    switch (info.tcpi_state) {
    case TCP_CLOSE_WAIT: // it has sent all that it will
    case TCP_LAST_ACK:
    case TCP_CLOSING:
    case TCP_TIME_WAIT:
        return true;
    case TCP_CLOSE:
        // A reset comes in the middle of things, giving up after tries in vain.
        return info.tcpi_retransmits == 0 && info.tcpi_probes == 0;
    default:
        return false;
    }
}

} // namespace backend
