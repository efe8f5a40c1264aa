// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_route.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>

using backend::IscsiRoute;
using backend::parse_target_address;

namespace {

std::string problem(const std::string &text) {
    try {
        parse_target_address(text);
    } catch (const base::Error &error) {
        return error.what();
    }
    return "";
}

/// What is wrong with being sent there.
std::string problem(IscsiRoute &route, const std::vector<std::string> &portals) {
    try {
        route.follow(portals);
    } catch (const base::Error &error) {
        return error.what();
    }
    return "";
}

/// Follows and goes there.
void go(IscsiRoute &route, const std::string &portal) {
    const std::vector<std::string> portals{portal};
    route.follow(portals);
    REQUIRE(route.next());
    CHECK(route.portal() == portal);
}

std::vector<std::string> silent(const IscsiRoute &route) {
    return {route.silent().begin(), route.silent().end()};
}

} // namespace

TEST_CASE("the address that a target sends us to is read in each of its forms") {
    CHECK(parse_target_address("1.2.3.4:3261").portal() == "1.2.3.4:3261");
    CHECK(parse_target_address("1.2.3.4").portal() == "1.2.3.4:3260");
    CHECK(parse_target_address("1.2.3.4,1").portal() == "1.2.3.4:3260");
    CHECK(parse_target_address("1.2.3.4:3261,65535").portal() == "1.2.3.4:3261");
    CHECK(parse_target_address("[::1]:3261,1").portal() == "[::1]:3261");
    CHECK(parse_target_address("[fe80::1%eth0]").portal() == "[fe80::1%eth0]:3260");
    CHECK(parse_target_address("san-1.example.org:3261,2").host == "san-1.example.org");
}

TEST_CASE("what is no address is refused on one line, and shown when it can be") {
    for (const char *text :
         {"", ":3260", ",1", "1.2.3.4,", "1.2.3.4,x", "1.2.3.4,1,2", "1.2.3.4:0", "1.2.3.4:65536",
          "1.2.3.4:-1", "1.2.3.4:3260:1", "[::1", "[]", "[::1]x", "::1", "[::1]:99999999999999999999"}) {
        CAPTURE(text);
        CHECK(problem(text).starts_with("the target sends us to '" + std::string(text) + "': "));
    }
    for (const std::string &text :
         {std::string("me%secret@host"), std::string("host/iqn.x"), std::string("host name"),
          std::string("host\nConnection refused"), std::string("h\0st", 4), std::string("h\xc3\xb6st"),
          std::string(255, 'x')}) {
        CAPTURE(text);
        CHECK(problem(text) == "the target sends us to something that is not an address");
    }
    CHECK(problem(std::string(254, 'x')).empty());
}

TEST_CASE("portals come one after another, and where one sends us at once") {
    IscsiRoute route;
    CHECK_FALSE(route.next());
    route.begin({"a", "b"});
    CHECK(route.next());
    CHECK(route.portal() == "a");
    CHECK(route.left() == 2);
    CHECK_FALSE(route.redirected());
    route.follow(std::vector<std::string>{"c", "d"});
    CHECK(route.next());
    CHECK(route.text() == "a -> c");
    CHECK(route.left() == 3);
    CHECK(route.redirected());
    CHECK(route.next());
    CHECK(route.text() == "a -> d");
    CHECK(route.next());
    CHECK(route.text() == "b");
    CHECK_FALSE(route.redirected());
    CHECK_FALSE(route.next());
}

TEST_CASE("a way has an end") {
    IscsiRoute route;
    route.begin({"a"});
    CHECK(route.next());
    CHECK(problem(route, {"a"}) == "the target sends us back to a");
    go(route, "b");
    CHECK(problem(route, {"a", "b"}) == "the target sends us back to a and b");
    go(route, "c");
    CHECK(problem(route, {"a"}) == "the target sends us back to a");
    go(route, "d");
    CHECK(problem(route, {"e"}) == "the target sends us on once more, to e");
    CHECK(route.text() == "a -> b -> c -> d");
    CHECK_FALSE(route.next());
}

TEST_CASE("of a host's addresses those are left out where we were, and some when there are many") {
    IscsiRoute route;
    route.begin({"a"});
    CHECK(route.next());
    route.follow(std::vector<std::string>{"a", "b", "c", "d", "e", "f"});
    for (const char *portal : {"b", "c", "d"}) {
        CHECK(route.next());
        CHECK(route.portal() == portal);
    }
    CHECK_FALSE(route.next());
}

TEST_CASE("that nobody listens is said when it is so of every portal only") {
    IscsiRoute route;
    CHECK(silent(route).empty());
    route.begin({"a", "b"});
    CHECK(route.next());
    route.refused();
    CHECK(silent(route).empty()); // b was not tried
    CHECK(route.next());
    CHECK(silent(route).empty());
    SUBCASE("nobody there either") {
        route.refused();
        CHECK(silent(route) == std::vector<std::string>{"a", "b"});
    }
    SUBCASE("somebody who sends us to where nobody is") {
        go(route, "c");
        route.refused();
        CHECK(silent(route).empty());
    }
}
