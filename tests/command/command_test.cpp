// SPDX-License-Identifier: BSD-3-Clause
#include "command/command.hpp"

#include "fakes/fake_maps.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <unistd.h>

namespace {

struct Recorder final : command::Reply {
    void line(std::string_view text) override { lines.emplace_back(text); }
    void finished() override { ++ends; }
    void hang_up() override { hung_up = true; }

    std::vector<std::string> lines;
    int ends = 0;
    bool hung_up = false;
};

struct Console {
    Recorder reply;
    fakes::FakeMaps maps;
    std::vector<command::CallPointer> calls;

    Console() {
        maps.add("mpatha");
        maps.add("mpathb").state.dependencies = {"b1", "b2"};
    }
    ~Console() {
        for (const command::CallPointer &call : calls)
            call->cancel();
    }
    command::Call &start(std::vector<std::string> words) {
        calls.push_back(std::make_shared<command::Call>(std::move(words), "test", reply));
        command::run(calls.back(), maps);
        return *calls.back();
    }
    std::vector<std::string> ask(std::vector<std::string> words) {
        reply.lines.clear();
        reply.ends = 0;
        start(std::move(words));
        return reply.lines;
    }
};

using Lines = std::vector<std::string>;

/// What `step` writes to standard error.
template <typename Step>
std::string log_of(Step step) {
    FILE *file = std::tmpfile();
    const int saved = ::dup(STDERR_FILENO);
    ::dup2(::fileno(file), STDERR_FILENO);
    step();
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    std::rewind(file);
    std::string text(10000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    std::fclose(file);
    return text;
}

} // namespace

TEST_CASE("an unknown command is EINVAL and names the nearest one") {
    Console console;
    CHECK(console.ask({"stats"}) == Lines{"ERR EINVAL unknown command 'stats'; did you mean 'status'?"});
    CHECK(console.ask({"xyzzyplugh"}) == Lines{"ERR EINVAL unknown command 'xyzzyplugh'; 'help' lists them"});
    CHECK(console.ask({std::string(60000, 'x')})[0].size() < 200);
    CHECK(console.reply.ends == 1);
}

TEST_CASE("a wrong number of arguments is EINVAL with the usage") {
    Console console;
    CHECK(console.ask({"info"}) == Lines{"ERR EINVAL usage: info MAP"});
    CHECK(console.ask({"ls", "x"}) == Lines{"ERR EINVAL usage: ls"});
    CHECK(console.ask({"message", "mpatha", "0"}) ==
          Lines{"ERR EINVAL usage: message MAP SECTOR VERB [ARG]"});
}

TEST_CASE("every command has a summary, a usage and its place in help") {
    Console console;
    const Lines lines = console.ask({"help"});
    CHECK(lines.size() == command::all_rows().size() + 1);
    CHECK(lines[0].starts_with("ls  "));
    CHECK(lines.back() == "OK");
    for (const command::Row *row : command::all_rows()) {
        CHECK(row->fewest <= row->most);
        CHECK_FALSE(row->help.empty());
        CHECK(command::find_row(row->name) == row);
        CHECK(console.ask({"help", std::string(row->name)})[0].starts_with(row->usage()));
    }
    CHECK(console.ask({"help", "wiat"}) == Lines{"ERR EINVAL unknown command 'wiat'; did you mean 'wait'?"});
}

TEST_CASE("a reply line never looks like an end line and never holds a line end") {
    Console console;
    command::Call call({"x"}, "test", console.reply);
    call.line("OK");
    call.line("ERR EIO no");
    call.line("ERROR");
    call.line("a\nOK\x1b");
    call.fail(EIO, "one\ntwo");
    call.line("late");
    call.ok();
    CHECK(console.reply.lines == Lines{" OK", " ERR EIO no", "ERROR", "a OK ", "ERR EIO one two"});
    CHECK(console.reply.ends == 1);
}

TEST_CASE("version says the version, quit hangs up") {
    Console console;
    CHECK(console.ask({"version"})[0].starts_with("nbdmpath "));
    CHECK_FALSE(console.reply.hung_up);
    CHECK(console.ask({"quit"}) == Lines{"OK"});
    CHECK(console.reply.hung_up);
}

TEST_CASE("ls, status, table and deps print what dmsetup prints") {
    Console console;
    CHECK(console.ask({"ls"}) == Lines{"mpatha", "mpathb", "OK"});
    CHECK(console.ask({"status", "mpatha"}) == Lines{"0 2048 multipath 2 0 0 0 1 1 A 0 1 0 a1 A 0 ", "OK"});
    CHECK(console.ask({"status"}) == Lines{"mpatha: 0 2048 multipath 2 0 0 0 1 1 A 0 1 0 a1 A 0 ",
                                           "mpathb: 0 2048 multipath 2 0 0 0 1 1 A 0 1 0 a1 A 0 ", "OK"});
    CHECK(console.ask({"table", "mpathb"}) ==
          Lines{"0 2048 multipath 0 0 1 1 round-robin 0 1 1 a1 1 ", "OK"});
    CHECK(console.ask({"deps", "mpathb"}) == Lines{"b1", "b2", "OK"});
}

TEST_CASE("status of all maps with no map is just OK") {
    Recorder reply;
    fakes::FakeMaps none;
    command::run(std::make_shared<command::Call>(Lines{"status"}, "test", reply), none);
    CHECK(reply.lines == Lines{"OK"});
}

TEST_CASE("info prints its keys in the contract's order") {
    Console console;
    command::MapSnapshot &state = console.maps.find("mpatha")->state;
    state.open_count = 3;
    state.event_number = 7;
    state.minimum_block = 512;
    state.held = 2;
    state.held_oldest = std::chrono::milliseconds(1500);
    state.independent_caches = true;
    CHECK(console.ask({"info", "mpatha"}) ==
          Lines{"name: mpatha", "state: ACTIVE", "tables: LIVE", "open count: 3", "event number: 7",
                "size: 2048", "read only: no", "block size: 512 4096 33554432", "held: 2",
                "held oldest ms: 1500", "cache: independent", "in doubt: 0", "OK"});
    state.suspended = state.inactive_table = state.read_only = true;
    const Lines lines = console.ask({"info", "mpatha"});
    CHECK(lines[1] == "state: SUSPENDED");
    CHECK(lines[2] == "tables: LIVE INACTIVE");
    CHECK(lines[6] == "read only: yes");
}

TEST_CASE("clients are shown, of one map or of all, and kicked by number") {
    Console console;
    console.maps.find("mpatha")->connected = {{.number = 7,
                                               .peer = "10.0.0.7:41022",
                                               .export_name = "mpatha",
                                               .requests = 3,
                                               .read_bytes = 4096,
                                               .written_bytes = 512,
                                               .in_flight = 1,
                                               .connected = std::chrono::seconds(12)}};
    console.maps.find("mpathb")->connected = {{.number = 9, .peer = "unix:1", .export_name = "mpathb"}};
    const std::string first =
        "7 10.0.0.7:41022 export=mpatha tls=no requests=3 read=4096 written=512 in_flight=1 seconds=12";
    const std::string second =
        "9 unix:1 export=mpathb tls=no requests=0 read=0 written=0 in_flight=0 seconds=0";
    CHECK(console.ask({"show", "clients"}) == Lines{first, second, "OK"});
    CHECK(console.ask({"show", "clients", "mpathb"}) == Lines{second, "OK"});
    CHECK(console.ask({"show", "clients", "none"}).back().starts_with("ERR ENXIO"));
    CHECK(console.ask({"show", "nonsense"}).back().starts_with("ERR EINVAL"));
    CHECK(console.ask({"kick", "8"}).back().starts_with("ERR ENOENT"));
    CHECK(console.ask({"kick", "x"}).back().starts_with("ERR EINVAL"));
    CHECK(console.ask({"kick", "7"}) == Lines{"OK"});
    CHECK(console.ask({"show", "clients"}) == Lines{second, "OK"});
}

TEST_CASE("an unknown map is ENXIO for every command that names one") {
    Console console;
    for (const Lines &words : {Lines{"status", "no"},
                               {"table", "no"},
                               {"info", "no"},
                               {"deps", "no"},
                               {"wait", "no"},
                               {"events", "no"},
                               {"message", "no", "0", "x"}})
        CHECK(console.ask(words) == Lines{"ERR ENXIO there is no map 'no'; 'ls' lists them"});
}

TEST_CASE("a map that goes away while it is asked is ENXIO, or left out of the list of all") {
    Console console;
    console.maps.away = true;
    console.start({"info", "mpatha"});
    console.start({"status"});
    console.maps.remove("mpatha");
    console.maps.run();
    CHECK(console.reply.lines == Lines{"ERR ENXIO there is no map 'mpatha'",
                                       "mpathb: 0 2048 multipath 2 0 0 0 1 1 A 0 1 0 a1 A 0 ", "OK"});
}

TEST_CASE("show stats prints a line for each path entry, and one for the map") {
    Console console;
    auto &map = console.maps.find("mpatha")->state;
    map.statistics = {{"a1", 1, {7, 28672, 1}}, {"a1", 2, {}}};
    map.held = 3;
    map.held_oldest = std::chrono::milliseconds(1500);
    map.in_doubt = 1;
    map.unflushed = 4200;
    map.memory = 4096;
    map.memory_limit = 8192;
    const Lines lines{"path=a1 pg=1 requests=7 bytes=28672 errors=1",
                      "path=a1 pg=2 requests=0 bytes=0 errors=0",
                      "held=3 held_oldest_ms=1500 in_doubt=1 unflushed=4200 memory=4096 memory_limit=8192"};
    CHECK(console.ask({"show", "stats", "mpatha"}) == Lines{lines[0], lines[1], lines[2], "OK"});
    CHECK(console.ask({"show", "stats"}) ==
          Lines{"mpatha: " + lines[0], "mpatha: " + lines[1], "mpatha: " + lines[2],
                "mpathb: held=0 held_oldest_ms=0 in_doubt=0 unflushed=0 memory=0 memory_limit=0", "OK"});
    CHECK(console.ask({"show", "stats", "no"}) == Lines{"ERR ENXIO there is no map 'no'; 'ls' lists them"});
    CHECK(console.ask({"show", "status"}) ==
          Lines{"ERR EINVAL cannot show 'status'; say 'show paths', 'show stats' or 'show clients'"});
}

TEST_CASE("show stats in JSON is one line") {
    Console console;
    auto &map = console.maps.find("mpatha")->state;
    map.statistics = {{"a1", 1, {7, 28672, 1}}, {"b1", 2, {}}};
    map.held = 3;
    const std::string a =
        R"({"map":"mpatha","held":3,"held_oldest_ms":0,"in_doubt":0,"unflushed":0,"memory":0,"memory_limit":0,"paths":[)"
        R"({"path":"a1","pg":1,"requests":7,"bytes":28672,"errors":1},)"
        R"({"path":"b1","pg":2,"requests":0,"bytes":0,"errors":0}]})";
    const std::string b =
        R"({"map":"mpathb","held":0,"held_oldest_ms":0,"in_doubt":0,"unflushed":0,"memory":0,"memory_limit":0,"paths":[]})";
    CHECK(console.ask({"show", "stats", "mpatha", "json"}) == Lines{a, "OK"});
    CHECK(console.ask({"show", "stats", "json"}) == Lines{"[" + a + "," + b + "]", "OK"});
    CHECK(console.ask({"show", "stats", "mpatha", "mpathb"}) ==
          Lines{"ERR EINVAL usage: show stats [MAP] [json]"});
    CHECK(console.ask({"show", "clients", "mpatha", "json"}) ==
          Lines{"ERR EINVAL usage: show clients [MAP]"});
}

TEST_CASE("show paths says of each path entry whether it is active, or why not") {
    Console console;
    auto &map = console.maps.find("mpatha")->state;
    map.statistics = {{"a1", 1, {}, {}, {}}, {"b1", 2, {}, "by message", "standby"}};
    const Lines lines{"path=a1 pg=1 state=active",
                      "path=b1 pg=2 state=failed why=\"by message\" access=standby"};
    CHECK(console.ask({"show", "paths", "mpatha"}) == Lines{lines[0], lines[1], "OK"});
    CHECK(console.ask({"show", "paths"}) == Lines{"mpatha: " + lines[0], "mpatha: " + lines[1], "OK"});
    CHECK(console.ask({"show", "paths", "mpatha", "json"}) ==
          Lines{R"({"map":"mpatha","paths":[{"path":"a1","pg":1,"state":"active","why":""},)"
                R"({"path":"b1","pg":2,"state":"failed","why":"by message","access":"standby"}]})",
                "OK"});
    CHECK(console.ask({"show", "paths", "a", "b"}) == Lines{"ERR EINVAL usage: show paths [MAP] [json]"});
}

TEST_CASE("message hands the words to the map and its error back") {
    Console console;
    CHECK(console.ask({"message", "mpatha", "0", "fail_path", "a1"}) == Lines{"OK"});
    CHECK(console.maps.find("mpatha")->messages == std::vector<Lines>{{"fail_path", "a1"}});
    CHECK(console.ask({"message", "mpatha", "2047", "refuse", "a", "b", "c"}) ==
          Lines{"ERR EINVAL Unrecognised multipath message received."});
}

TEST_CASE("a message's sector is a decimal number inside the map") {
    Console console;
    for (const char *sector : {"2048", "-1", "0x0", "", "1x", "99999999999999999999"})
        CHECK(console.ask({"message", "mpatha", sector, "fail_if_no_path"})[0].starts_with("ERR EINVAL "));
    CHECK(console.maps.find("mpatha")->messages.empty());
}

TEST_CASE("a map of unknown size takes messages at sector 0") {
    Console console;
    console.maps.find("mpatha")->state.size_sectors = 0;
    CHECK(console.ask({"message", "mpatha", "0", "fail_if_no_path"}) == Lines{"OK"});
    CHECK(console.ask({"message", "mpatha", "1", "x"})[0].starts_with("ERR EINVAL "));
}

TEST_CASE("a cancelled call says nothing when its step comes back") {
    Console console;
    console.maps.away = true;
    for (const Lines &words :
         {Lines{"status"}, {"info", "mpatha"}, {"message", "mpatha", "0", "x"}, {"wait", "mpatha"}})
        console.start(words).cancel();
    console.maps.run();
    CHECK(console.reply.lines.empty());
    CHECK(console.reply.ends == 0);
}

TEST_CASE("the log has every changing command with its peer and its end, and no other") {
    Console console;
    CHECK(log_of([&] { console.ask({"status"}); }).empty());
    CHECK(log_of([&] {
              console.ask({"message", "mpatha", "0", "fail_path", "a\n1"});
          }).ends_with("info: admin: test: message mpatha 0 fail_path a 1: OK\n"));
    CHECK(log_of([&] {
              console.ask({"message", "mpatha", "0", "refuse"});
          }).ends_with("message mpatha 0 refuse: ERR EINVAL Unrecognised multipath message received.\n"));
}
