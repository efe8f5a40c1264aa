// SPDX-License-Identifier: BSD-3-Clause
#include "console.hpp"

#include <doctest/doctest.h>

using admin_test::Client;
using admin_test::Console;

TEST_CASE("two hundred clients are served, no more at a time than may be") {
    admin::Limits limits;
    limits.sessions = 16;
    Console console(limits);
    std::vector<Client> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(console.client());
        REQUIRE(clients.back().connected());
    }
    CHECK(console.sessions() <= 16);
    for (Client &client : clients)
        client.send("ls\n");
    for (Client &client : clients) {
        CHECK(client.line() == "mpatha");
        CHECK(console.sessions() <= 16);
        client.close();
    }
    CHECK(console.sessions_become(0));
    Client other(console.port);
    other.send("quit\n");
    CHECK(other.rest() == "OK|");
}

TEST_CASE("close ends every session, also those that wait") {
    Console console;
    Client idle = console.client();
    Client waiting = console.client();
    Client events(console.port);
    waiting.send("wait mpatha\n");
    events.send("events\n");
    CHECK(events.silent());
    console.worker.run_and_wait([&] { console.server->close(); });
    CHECK(idle.rest() == "");
    CHECK(waiting.rest() == "");
    CHECK(events.rest() == "");
    console.happen("mpatha");
}
