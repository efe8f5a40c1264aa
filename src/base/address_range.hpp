// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace base {

/// Where a client is, without its port: an IP address, a process of this host, a vsock CID.
struct Address {
    enum class Kind : std::uint8_t { none, ip, unix_socket, vsock };

    Kind kind = Kind::none;
    /// IPv6, or IPv4 mapped into it; else the pid or the CID, first and in network order.
    std::array<std::uint8_t, 16> bytes{};

    [[nodiscard]] static Address ip_v4(const void *network_order) noexcept;
    [[nodiscard]] static Address ip_v6(const void *network_order) noexcept;
    [[nodiscard]] static Address numbered(Kind kind, std::uint32_t number) noexcept;

    bool operator==(const Address &) const = default;
};

/// Addresses with the same first bits.
class AddressRange {
public:
    /// "10.0.0.0/8", "10.1.2.3", "fd00::/8", "unix", "vsock", "vsock:3". Throws base::Error.
    static AddressRange parse(std::string_view text);

    [[nodiscard]] bool contains(const Address &address) const noexcept;

private:
    Address from_;
    unsigned bits_ = 0;
};

} // namespace base
