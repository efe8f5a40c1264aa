// SPDX-License-Identifier: BSD-3-Clause
// create, remove, rename, ioctl, probe: what they ask for, and what becomes of the call.
#include "console.hpp"

#include <doctest/doctest.h>

using command_test::Console;
using command_test::Lines;

TEST_CASE("create hands on what it is told, and nothing else is stated") {
    Console console;
    CHECK(console.ask({"create", "n", "0", "0", "0", "0"}) == Lines{"OK"});
    CHECK(console.ask({"create", "k", "--size", "1M", "--compat", "kernel", "--cache", "independent",
                       "--no-path-timeout", "3s", "0", "0", "0", "0"}) == Lines{"OK"});
    REQUIRE(console.maps.created.size() == 2);
    const command::NewMap &plain = console.maps.created[0];
    CHECK(plain.name == "n");
    CHECK(plain.table == "0 0 0 0");
    CHECK_FALSE(plain.kernel_compat);
    CHECK_FALSE(plain.size);
    CHECK_FALSE(plain.independent_caches);
    const command::NewMap &stated = console.maps.created[1];
    CHECK(stated.table == "0 0 0 0");
    CHECK(stated.kernel_compat);
    CHECK(stated.size == 1U << 20U);
    CHECK(stated.independent_caches == true);
    CHECK(stated.no_path_timeout == std::chrono::seconds(3));
}

TEST_CASE("create says what is wrong with an option, and makes nothing") {
    Console console;
    for (const Lines &words : {Lines{"create", "n"},
                               {"create", "n", "--size", "1000", "0"},
                               {"create", "n", "--size", "0", "0"},
                               {"create", "n", "--size", "many", "0"},
                               {"create", "n", "--compat", "linux", "0"},
                               {"create", "n", "--cache", "none", "0"},
                               {"create", "n", "--no-path-timeout", "soon", "0"},
                               {"create", "--size"},
                               {"create", "n", "--nosuch", "1", "0"}}) {
        const Lines reply = console.ask(words);
        REQUIRE(reply.size() == 1);
        CHECK_MESSAGE(reply[0].starts_with("ERR EINVAL "), words.back());
    }
    CHECK(console.maps.created.empty());
}

TEST_CASE("remove and rename find their map, and a name that is free") {
    Console console;
    console.maps.add("n");
    CHECK(console.ask({"rename", "m", "n"}).front().starts_with("ERR EBUSY "));
    CHECK(console.ask({"rename", "m", "o"}) == Lines{"OK"});
    CHECK(console.ask({"remove", "m"}).front().starts_with("ERR ENXIO "));
    CHECK(console.ask({"remove", "o"}) == Lines{"OK"});
    CHECK(console.ask({"ls"}) == Lines{"n", "OK"});
}

TEST_CASE("ioctl prints the answer, probe only its end") {
    Console console;
    fakes::FakeMap &map = console.map;
    CHECK(console.ask({"ioctl", "m", "blkgetsize64"}).empty());
    map.finish_all({0, "", {"4096"}});
    CHECK(console.lines == Lines{"4096", "OK"});
    CHECK(console.ask({"probe", "m"}).empty());
    map.finish_all({ENOTCONN, "no path of the map is left", {}});
    CHECK(console.lines == Lines{"ERR ENOTCONN no path of the map is left"});
    CHECK(map.messages == std::vector<Lines>{{"pass blkgetsize64"}, {"probe"}});
}
