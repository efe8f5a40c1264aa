// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address_range.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace nbd {

/// Who is at the other end of a connection.
struct Client {
    std::uint64_t number = 0; ///< its name for administrators, never used again
    std::string peer{}; ///< for people, one word: "10.0.0.7:41022", "[::1]:41022", "unix:PID", "vsock:3:1027"
    base::Address address{};
    bool tls = false;
    std::vector<std::string> identities{}; ///< what TLS says of it, see TlsStream; empty: nothing

    /// Which connections belong to one client: those of one identity, or from one address or local process.
    [[nodiscard]] bool is_same(const Client &other) const noexcept {
        return identities == other.identities && (!identities.empty() || address == other.address);
    }
};

/// The client a connected socket talks to.
Client client_of(int fd, std::uint64_t number);

} // namespace nbd
