// SPDX-License-Identifier: BSD-3-Clause
#include "console.hpp"

#include <doctest/doctest.h>

using admin_test::Client;
using admin_test::Console;

namespace {
const std::string status = "0 2048 multipath 2 0 0 0 1 1 A 0 1 0 a1 A 0 |OK|";
} // namespace

TEST_CASE("pipelined commands are answered in order, and quit closes") {
    Console console;
    Client client = console.client();
    client.send("ls\r\n\n  \nstatus mpatha\nnonsense\nmessage mpatha 0 fail_path a\\ 1\nquit\nls\n");
    CHECK(client.rest() ==
          "mpatha|mpathb|OK|" + status + "ERR EINVAL unknown command 'nonsense'; 'help' lists them|OK|OK|");
    CHECK(console.sessions_become(0));
    CHECK(console.maps.find("mpatha")->messages[0] == std::vector<std::string>{"fail_path", "a 1"});
}

TEST_CASE("thousands of pipelined commands are all answered") {
    Console console;
    Client client = console.client();
    std::string commands;
    for (int i = 0; i < 5000; ++i)
        commands += "version\n";
    std::thread sender([&] { client.send(commands + "quit\n"); });
    int answers = 0;
    while (const auto line = client.line())
        answers += *line == "OK" ? 1 : 0;
    sender.join();
    CHECK(answers == 5001);
}

TEST_CASE("a half-close after the last command still gets all replies") {
    Console console;
    for (const bool tcp : {false, true}) {
        Client client = tcp ? Client(console.port) : console.client();
        client.send("status mpatha\nversion\nls");
        client.half_close();
        CHECK(client.rest() == status + "nbdmpath 0.2.0|OK|");
    }
}

TEST_CASE("a half-closed unix session still gets the reply it waits for") {
    Console console;
    Client client = console.client();
    client.send("wait mpatha\n");
    client.half_close();
    CHECK(client.silent());
    console.happen("mpatha");
    CHECK(client.rest() == status);
}

TEST_CASE("a line of 64 KiB is looked at, a longer one is EINVAL and closes") {
    Console console;
    for (const bool tcp : {false, true}) {
        Client client = tcp ? Client(console.port) : console.client();
        client.send("ls " + std::string((64 << 10) - 3, 'x') + "\n");
        CHECK(client.line() == "ERR EINVAL usage: ls");
        client.send("ls " + std::string((64 << 10) - 2, 'x') + "\nls\n");
        CHECK(client.line() == "ERR EINVAL the line is longer than 64 KiB");
        CHECK(client.line() == std::nullopt);
    }
    Client endless = console.client();
    while (endless.send(std::string(10000, 'x'))) {
    }
    CHECK(console.sessions_become(0));
}

TEST_CASE("garbage is EINVAL and the session goes on") {
    Console console;
    Client client = console.client();
    client.send(std::string("l\0s\n\x1b[A\n\x7f\n\x16\x03\x01\x02\n\xc3\x28\n\\\n", 20));
    const std::string controls = "ERR EINVAL the line has control characters";
    for (int i = 0; i < 4; ++i)
        CHECK(client.line() == controls);
    CHECK(client.line()->starts_with("ERR EINVAL unknown command"));
    CHECK(client.line()->starts_with("ERR EINVAL unknown command"));
    client.send("version\n");
    CHECK(client.line() == "nbdmpath 0.2.0");
}

TEST_CASE("what looks like HTTP closes the connection without a reply and without effect") {
    Console console;
    for (const char *request :
         {"GET / HTTP/1.1\r\n", "POST /x HTTP/1.1\r\n", "OPTIONS * HTTP/1.0\n", "PUT x\n"}) {
        Client client(console.port);
        client.send(std::string(request) + "message mpatha 0 fail_path a1\n");
        CHECK(client.line() == std::nullopt);
    }
    CHECK(console.sessions_become(0));
    CHECK(console.maps.find("mpatha")->messages.empty());
}

TEST_CASE("a disconnect at any byte ends the session and half a line has no effect") {
    Console console;
    const std::string commands = "\xff\xfd\x03status\nmessage mpatha 0 fail_path a1";
    for (std::size_t length = 0; length <= commands.size(); ++length) {
        Client client = console.client();
        client.send(commands.substr(0, length));
    }
    CHECK(console.sessions_become(0));
    CHECK(console.maps.find("mpatha")->messages.empty());
}

TEST_CASE("commands behind a wait are answered after it, other sessions meanwhile") {
    Console console;
    Client waiting = console.client();
    waiting.send("wait mpatha\nversion\nquit\n");
    CHECK(waiting.silent());
    Client other = console.client();
    other.send("status mpatha\nquit\n");
    CHECK(other.rest() == status + "OK|");
    console.happen("mpathb");
    CHECK(waiting.silent());
    console.happen("mpatha");
    CHECK(waiting.rest() == status + "nbdmpath 0.2.0|OK|OK|");
}

TEST_CASE("closing a session cancels what waits in it") {
    Console console;
    for (const bool tcp : {false, true}) {
        Client plain = tcp ? Client(console.port) : console.client();
        Client filled = tcp ? Client(console.port) : console.client();
        plain.send("wait mpatha\n");
        filled.send("events\n");
        // More than the session takes in while it waits: only looking now and then can notice the end.
        filled.send(std::string(100000, '\n'));
        CHECK(plain.silent());
        CHECK(console.sessions() == 2);
        plain.close();
        filled.close();
        CHECK(console.sessions_become(0));
    }
    console.happen("mpatha");
}

TEST_CASE("two subscribers get every event in order") {
    Console console;
    Client all = console.client();
    Client one(console.port);
    all.send("events\n");
    one.send("version\nevents mpathb\n");
    CHECK(one.line() == "nbdmpath 0.2.0");
    CHECK(one.line() == "OK");
    CHECK(all.silent());
    CHECK(one.silent());
    console.happen("mpatha", "path=a1 nr_valid=0 seq=1");
    console.happen("mpathb", "", 1000);
    CHECK(all.line() == "EVENT mpatha 1 PATH_FAILED path=a1 nr_valid=0 seq=1");
    for (int i = 1; i <= 1000; ++i) {
        const std::string expected = "EVENT mpathb " + std::to_string(i) + " PATH_FAILED";
        REQUIRE(all.line() == expected);
        REQUIRE(one.line() == expected);
    }
}

TEST_CASE("a subscriber that does not read is cut off, the other one hears everything") {
    admin::Limits limits;
    limits.unsent_bytes = 64 << 10;
    Console console(limits);
    Client deaf = console.client();
    Client reader = console.client();
    deaf.send("events\n");
    reader.send("events\n");
    CHECK(deaf.silent());
    CHECK(reader.silent());
    int sent = 0;
    for (; sent < 1000 && console.sessions() == 2; ++sent) {
        console.happen("mpatha", std::string(8000, 'x'));
        REQUIRE(reader.line()->starts_with("EVENT mpatha " + std::to_string(sent + 1) + " "));
    }
    CHECK(console.sessions_become(1));
    CHECK(sent < 200);
    console.happen("mpatha");
    CHECK(reader.line()->starts_with("EVENT mpatha " + std::to_string(sent + 1) + " "));
}
