// SPDX-License-Identifier: BSD-3-Clause
#include "base/address_range.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <limits>
#include <string>

namespace base {

namespace {
constexpr unsigned v4_begin = 12; // behind ten zero bytes and two of 0xff
constexpr unsigned bits_of_byte = 8;
constexpr std::string_view vsock_word = "vsock:";

[[noreturn]] void refuse(std::string_view text) {
    throw Error(EINVAL,
                "'{}' is not an address (example: 10.0.0.0/8, 192.0.2.7, \"fd00::/8\", unix, vsock:3)", text);
}
} // namespace

Address Address::ip_v4(const void *network_order) noexcept {
    Address made;
    made.kind = Kind::ip;
    made.bytes[v4_begin - 2] = made.bytes[v4_begin - 1] = 0xff;
    std::memcpy(&made.bytes[v4_begin], network_order, made.bytes.size() - v4_begin);
    return made;
}

Address Address::ip_v6(const void *network_order) noexcept {
    Address made;
    made.kind = Kind::ip;
    std::memcpy(made.bytes.data(), network_order, made.bytes.size());
    return made;
}

Address Address::numbered(Kind kind, std::uint32_t number) noexcept {
    Address made;
    made.kind = kind;
    const std::uint32_t network_order = htonl(number);
    std::memcpy(made.bytes.data(), &network_order, sizeof network_order);
    return made;
}

AddressRange AddressRange::parse(std::string_view text) {
    AddressRange made;
    if (text == "unix" || text == "vsock") {
        made.from_.kind = text == "unix" ? Address::Kind::unix_socket : Address::Kind::vsock;
        return made;
    }
    if (text.starts_with(vsock_word)) {
        const auto cid = parse_number(text.substr(vsock_word.size()));
        if (!cid || *cid > std::numeric_limits<std::uint32_t>::max())
            refuse(text);
        made.from_ = Address::numbered(Address::Kind::vsock, static_cast<std::uint32_t>(*cid));
        made.bits_ = bits_of_byte * sizeof(std::uint32_t);
        return made;
    }
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::string address(text.substr(0, slash));
    std::array<std::uint8_t, 16> bytes{};
    const bool v4 = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
    if (!v4 && ::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1)
        refuse(text);
    made.from_ = v4 ? Address::ip_v4(bytes.data()) : Address::ip_v6(bytes.data());
    const unsigned most = v4 ? 32 : 128;
    const auto bits = slash == text.size() ? most : parse_number(text.substr(slash + 1));
    if (!bits || *bits > most)
        refuse(text);
    made.bits_ = static_cast<unsigned>(*bits) + (v4 ? bits_of_byte * v4_begin : 0);
    return made;
}

bool AddressRange::contains(const Address &address) const noexcept {
    if (address.kind != from_.kind)
        return false;
    const std::size_t whole = bits_ / bits_of_byte;
    if (!std::equal(from_.bytes.begin(), from_.bytes.begin() + whole, address.bytes.begin()))
        return false;
    const unsigned rest = bits_ % bits_of_byte;
    return rest == 0 || ((from_.bytes[whole] ^ address.bytes[whole]) >> (bits_of_byte - rest)) == 0;
}

} // namespace base
