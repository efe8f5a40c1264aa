// SPDX-License-Identifier: BSD-3-Clause
#include "base/address_range.hpp"
#include "base/error.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>

using base::Address;
using base::AddressRange;

namespace {
Address ip(const char *text) {
    std::array<std::uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET, text, bytes.data()) == 1)
        return Address::ip_v4(bytes.data());
    REQUIRE(::inet_pton(AF_INET6, text, bytes.data()) == 1);
    return Address::ip_v6(bytes.data());
}
bool contains(const char *range, const Address &address) {
    return AddressRange::parse(range).contains(address);
}
} // namespace

TEST_CASE("a range has the addresses with its first bits") {
    CHECK(contains("10.0.0.0/8", ip("10.255.1.2")));
    CHECK_FALSE(contains("10.0.0.0/8", ip("11.0.0.0")));
    CHECK(contains("192.0.2.128/25", ip("192.0.2.255")));
    CHECK_FALSE(contains("192.0.2.128/25", ip("192.0.2.127")));
    CHECK(contains("192.0.2.7", ip("192.0.2.7")));
    CHECK_FALSE(contains("192.0.2.7", ip("192.0.2.6")));
    CHECK(contains("0.0.0.0/0", ip("1.2.3.4")));
    CHECK(contains("fd00::/8", ip("fd12::1")));
    CHECK_FALSE(contains("fd00::/8", ip("fe80::1")));
    CHECK(contains("::1", ip("::1")));
    CHECK(contains("::/0", ip("2001:db8::1")));
}

TEST_CASE("an IPv4 client of an IPv6 socket is one of IPv4") {
    CHECK(contains("10.0.0.0/8", ip("::ffff:10.1.1.1")));
    CHECK_FALSE(contains("0.0.0.0/0", ip("2001:db8::1")));
}

TEST_CASE("clients on this host and virtual machines have words of their own") {
    const Address process = Address::numbered(Address::Kind::unix_socket, 4711);
    const Address machine = Address::numbered(Address::Kind::vsock, 3);
    CHECK(contains("unix", process));
    CHECK_FALSE(contains("unix", machine));
    CHECK_FALSE(contains("0.0.0.0/0", process));
    CHECK_FALSE(contains("::/0", process));
    CHECK(contains("vsock", machine));
    CHECK(contains("vsock:3", machine));
    CHECK_FALSE(contains("vsock:4", machine));
    CHECK_FALSE(contains("unix", Address()));
}

TEST_CASE("what is no range is refused") {
    for (const char *text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "fd00::/129", "localhost",
                             "vsock:", "vsock:x", "vsock:4294967296", "10.0.0", "unix/1", "10.0.0.0/-1"})
        CHECK_THROWS_AS(AddressRange::parse(text), base::Error);
}
