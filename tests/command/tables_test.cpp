// SPDX-License-Identifier: BSD-3-Clause
// load, clear, suspend, resume: what they ask of the map, and what becomes of the call.
#include "console.hpp"

#include "command/options.hpp"

#include <doctest/doctest.h>

using command_test::Console;
using command_test::Lines;

TEST_CASE("a command that takes its time answers when it has ended") {
    Console console;
    CHECK(console.ask({"suspend", "m"}).empty());
    CHECK(console.call->waiting());
    console.map.finish_all();
    CHECK(console.lines == Lines{"OK"});
    CHECK(console.ask({"load", "m", "0", "0"}).empty());
    console.map.finish_all({0, "", {"path a is slow"}});
    CHECK(console.lines == Lines{"path a is slow", "OK"});
    console.ask({"resume", "m"});
    console.map.finish_all({EINVAL, "no table", {}});
    CHECK(console.lines == Lines{"ERR EINVAL no table"});
    CHECK(console.map.called_off == 0);
}

TEST_CASE("a session that closes calls off what it waits for, and hears nothing more") {
    Console console;
    console.ask({"suspend", "m"});
    console.call->cancel();
    CHECK(console.map.called_off == 1);
    CHECK(console.lines.empty());
}

TEST_CASE("a table goes to the map word by word, also one with blanks in a word") {
    Console console;
    console.ask({"load", "m", "0", "2048", "multipath", "0", "a b", "c\\d"});
    console.ask({"load", "m", ""});
    CHECK(console.map.messages == std::vector<Lines>{{"load 0 2048 multipath 0 a\\ b c\\\\d"}, {"load "}});
}

TEST_CASE("options stand on either side of the map") {
    Console console;
    for (const Lines &words : {Lines{"suspend", "--noflush", "m"},
                               {"suspend", "m", "--noflush"},
                               {"suspend", "--nolockfs", "--noflush", "m"},
                               {"resume", "m", "--noflush"},
                               {"suspend", "m"},
                               {"clear", "m"}})
        console.ask(words);
    CHECK(console.map.messages == std::vector<Lines>{{"suspend noflush"},
                                                     {"suspend noflush"},
                                                     {"suspend noflush"},
                                                     {"resume noflush"},
                                                     {"suspend"},
                                                     {"clear"}});
}

TEST_CASE("wrong options are refused") {
    Console console;
    CHECK(console.ask({"suspend", "--noflsh", "m"}) == Lines{"ERR EINVAL unknown option '--noflsh'"});
    CHECK(console.ask({"suspend", "--noflush"}) == Lines{"ERR EINVAL usage: suspend [--noflush] MAP"});
    CHECK(console.ask({"suspend", "m", "x"}) == Lines{"ERR EINVAL usage: suspend [--noflush] MAP"});
    CHECK(console.ask({"table", "--inactive"}) == Lines{"ERR EINVAL usage: table [--inactive] [MAP]"});
    CHECK(console.ask({"resume", "no"}) == Lines{"ERR ENXIO there is no map 'no'; 'ls' lists them"});
    CHECK(console.map.messages.empty());
}

TEST_CASE("an option may have a value, and what follows the first plain words is left alone") {
    const command::ParsedArguments arguments(Lines{"--size", "1M", "m", "--quick", "a", "--b"},
                                             {{"--size", true}, {"--quick"}});
    CHECK(arguments.words() == Lines{"m", "a", "--b"});
    CHECK(arguments.value("--size") == "1M");
    CHECK(arguments.has("--quick"));
    CHECK_FALSE(arguments.value("--other").has_value());
    CHECK_THROWS(command::ParsedArguments(Lines{"m", "--size"}, {{"--size", true}}));
}

TEST_CASE("table --inactive prints the staged table with its size") {
    Console console;
    CHECK(console.ask({"table", "--inactive", "m"}) == Lines{"OK"});
    console.map.state.inactive_table = true;
    console.map.state.staged_table = "0 0 0 0 ";
    console.map.state.staged_sectors = 8;
    CHECK(console.ask({"table", "--inactive", "m"}) == Lines{"0 8 multipath 0 0 0 0 ", "OK"});
}

TEST_CASE("a map without a live table has no line of its own") {
    Console console;
    console.map.state.live_table = false;
    CHECK(console.ask({"status", "m"}) == Lines{"OK"});
    CHECK(console.ask({"table"}) == Lines{"m: ", "OK"});
}
