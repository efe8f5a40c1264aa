// SPDX-License-Identifier: BSD-3-Clause
// The NBD backend against servers that die, stop, refuse and lie.
#include "nbd_fixture.hpp"
#include "nbd_liar.hpp"

using namespace nbd_test;
using block::Status;
using fakes::ChildProcess;
using fakes::TempDirectory;

namespace {

constexpr milliseconds slack{200};

int completions(const Path &path) {
    int result = 0;
    for (const Io &io : path.ios)
        result += io.completions;
    return result;
}

bool all_failed_once(const Path &path) {
    for (const Io &io : path.ios)
        if (io.completions != 1 || !io.status.is_path_error())
            return false;
    return true;
}

void send_many(Path &path, int count, std::uint64_t length = 4096) {
    for (int i = 0; i < count; ++i)
        path.send(path.start(i % 2 == 0 ? Operation::read : Operation::write,
                             4096U * static_cast<unsigned>(i), length));
}

} // namespace

TEST_CASE("a killed server fails what is in flight once, and is found again") {
    for (const std::uint64_t max_requests : {64U, 8U}) {
        TempDirectory directory;
        const std::string socket = directory / "s";
        Loop loop;
        ChildProcess slow(
            nbdkit(socket, {"--filter=delay", "memory", "1M", "delay-read=2", "delay-write=2"}));
        Path path(loop, unix_uri(socket), milliseconds(30000), milliseconds(5000), max_requests);
        REQUIRE(path.wait_up());
        send_many(path, 64);
        loop.pass(milliseconds(50));
        CHECK(path.device->in_flight() == 64);
        const auto killed = base::Clock::now();
        slow.kill_now();
        CHECK(loop.until([&path] { return completions(path) == 64; }));
        CHECK(base::Clock::now() - killed < milliseconds(100));
        CHECK(all_failed_once(path));
        CHECK(path.downs == 1);
        CHECK(path.device->generation() == 1);
        CHECK_FALSE(path.device->up());
        CHECK(path.run(Operation::read, 0, 4096) == Status::path_lost());
        loop.pass(milliseconds(300));
        CHECK(path.downs == 1);

        std::filesystem::remove(socket);
        ChildProcess again(nbdkit(socket, {"memory", "1M"}));
        REQUIRE(path.wait_up());
        CHECK(path.run(Operation::write, 0, 4096, 5).ok());
        CHECK(path.holds(0, 4096, 5));
        CHECK(path.device->generation() == 1);
    }
}

TEST_CASE("a server killed during large writes ends them all") {
    TempDirectory directory;
    const std::string socket = directory / "s";
    Loop loop;
    ChildProcess slow(nbdkit(socket, {"--filter=delay", "memory", "64M", "delay-write=2"}));
    Path path(loop, unix_uri(socket));
    REQUIRE(path.wait_up());
    slow.stop();
    send_many(path, 32, 1 * mib); // far more than the socket takes: some are half sent, some not at all
    loop.pass(milliseconds(30));
    slow.kill_now();
    CHECK(loop.until([&path] { return completions(path) == 32; }));
    CHECK(all_failed_once(path));
}

TEST_CASE("a stopped server is given up after io_timeout and answers nothing twice") {
    TempDirectory directory;
    Loop loop;
    // One thread: nbdkit 1.32 dies of an assertion (raw_send_socket: sock >= 0) when several of them,
    // continued, answer a client that is gone.
    ChildProcess server(nbdkit(directory / "s", {"-t", "1", "memory", "1M"}));
    Path path(loop, unix_uri(directory / "s"), milliseconds(300), milliseconds(300));
    REQUIRE(path.wait_up());
    server.stop();
    const auto sent = base::Clock::now();
    send_many(path, 64);
    CHECK(loop.until([&path] { return completions(path) == 64; }));
    const auto took = base::Clock::now() - sent;
    CHECK(took >= milliseconds(295));
    CHECK(took < milliseconds(300) + slack);
    CHECK(path.ios.front().status == Status::path_lost(ETIMEDOUT));
    CHECK(path.why == "no answer for 300 ms");
    server.resume();
    REQUIRE(path.wait_up());
    CHECK(path.run(Operation::write, 0, 4096, 6).ok());
    CHECK(path.holds(0, 4096, 6));
    path.ios.pop_back();
    path.ios.pop_back();
    CHECK(all_failed_once(path));
}

TEST_CASE("time without requests is no timeout") {
    TempDirectory directory;
    Loop loop;
    ChildProcess server(nbdkit(directory / "s", {"memory", "1M"}));
    Path path(loop, unix_uri(directory / "s"), milliseconds(100));
    REQUIRE(path.wait_up());
    for (int i = 0; i < 5; ++i) {
        CHECK(path.run(Operation::read, 0, 4096).ok());
        loop.pass(milliseconds(70));
    }
    CHECK(path.downs == 0);
}

TEST_CASE("the death of an idle server is noticed at once") {
    TempDirectory directory;
    Loop loop;
    ChildProcess server(nbdkit(directory / "s", {"memory", "1M"}));
    Path path(loop, unix_uri(directory / "s"));
    REQUIRE(path.wait_up());
    server.kill_now();
    CHECK(loop.until([&path] { return path.downs == 1; }, milliseconds(50)));
    CHECK(path.why == "the server closed the connection");
}

TEST_CASE("a server that is not there is told once and tried again") {
    TempDirectory directory;
    Loop loop;
    Path path(loop, unix_uri(directory / "s"));
    CHECK(path.downs == 0);
    REQUIRE(path.wait_down());
    CHECK(path.why.find("cannot connect") != std::string::npos);
    loop.pass(milliseconds(200));
    CHECK(path.downs == 1);
    ChildProcess server(nbdkit(directory / "s", {"memory", "1M"}));
    CHECK(path.wait_up());

    Path refused(loop, "nbd://127.0.0.1:1/");
    REQUIRE(refused.wait_down());
    CHECK(refused.why.find("Connection refused") != std::string::npos);
    Path unknown(loop, "nbd://no-such-host.invalid/");
    REQUIRE(unknown.wait_down());
    CHECK(unknown.why.find("cannot resolve") != std::string::npos);
}

TEST_CASE("a server that lies in negotiation is told with its reason and tried again") {
    struct Lie {
        std::string name;
        std::string reason;
        Liar::Script script;
    };
    const std::vector<Lie> lies{
        {"wrong magic", "magic", [](Liar::Peer &peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); }},
        {"closes at once", "", [](Liar::Peer &) {}},
        {"closes in the greeting", "", [](Liar::Peer &peer) { peer.send(greeting().substr(0, 12)); }},
        {"garbage", "",
         [](Liar::Peer &peer) { open_negotiation(peer), peer.send(std::string(4096, '\xa5')); }},
        {"never answers", "does not answer", [](Liar::Peer &peer) { peer.wait_for_end(); }},
        {"stops in the middle", "does not answer",
         [](Liar::Peer &peer) { peer.send(greeting()), peer.wait_for_end(); }},
        {"endless option reply", "",
         [](Liar::Peer &peer) {
             const std::uint32_t option = open_negotiation(peer);
             peer.send(option_reply(option, 3, "").substr(0, 16) + big_endian(0xffffffff, 4));
             peer.wait_for_end();
         }},
        {"refuses the export", "no export named 'x'",
         [](Liar::Peer &peer) {
             peer.send(option_reply(open_negotiation(peer), 0x80000006, "no such disk\n here"));
             peer.wait_for_end();
         }},
        {"absurd size", "",
         [](Liar::Peer &peer) { negotiate(peer, ~std::uint64_t{0}), peer.wait_for_end(); }},
    };
    for (const Lie &lie : lies) {
        CAPTURE(lie.name);
        TempDirectory directory;
        Liar liar(directory / "s", lie.script);
        Loop loop;
        Path path(loop, unix_uri(directory / "s", "x"), milliseconds(300), milliseconds(150));
        REQUIRE(path.wait_down());
        CAPTURE(path.why);
        CHECK(path.why.find(lie.reason) != std::string::npos);
        CHECK(path.why.find('\n') == std::string::npos);
        CHECK(loop.until([&liar] { return liar.connections >= 3; }));
        CHECK(path.ups == 0);
        CHECK(path.downs == 1);
    }
}

TEST_CASE("a server that lies in its replies loses the connection each time") {
    struct Lie {
        std::string name;
        Liar::Script script;
    };
    const std::vector<Lie> lies{
        {"closes before the reply", [](Liar::Peer &peer) { read_request(peer); }},
        {"closes mid-header",
         [](Liar::Peer &peer) { peer.send(simple_reply(read_request(peer)).substr(0, 9)); }},
        {"closes mid-payload",
         [](Liar::Peer &peer) { peer.send(simple_reply(read_request(peer)) + std::string(1000, 'x')); }},
        {"unknown cookie",
         [](Liar::Peer &peer) {
             read_request(peer), peer.send(simple_reply("nocookie")), peer.wait_for_end();
         }},
        {"wrong magic",
         [](Liar::Peer &peer) { read_request(peer), peer.send(std::string(64, 'x')), peer.wait_for_end(); }},
        {"never answers", [](Liar::Peer &peer) { peer.wait_for_end(); }},
        {"half a payload, then silence",
         [](Liar::Peer &peer) {
             peer.send(simple_reply(read_request(peer)) + std::string(1000, 'x'));
             peer.wait_for_end();
         }},
        {"answers twice",
         [](Liar::Peer &peer) {
             const std::string cookie = read_request(peer);
             peer.send(simple_reply(cookie, EINVAL) + simple_reply(cookie, EINVAL));
             peer.wait_for_end();
         }},
    };
    for (const Lie &lie : lies) {
        CAPTURE(lie.name);
        TempDirectory directory;
        Liar liar(directory / "s", [&lie](Liar::Peer &peer) { negotiate(peer), lie.script(peer); });
        Loop loop;
        Path path(loop, unix_uri(directory / "s"), milliseconds(200));
        for (int time = 1; time <= 3; ++time) {
            CHECK(loop.until([&path, time] { return path.ups == time; }));
            path.send(path.start(Operation::read, 0, 4096));
            CHECK(loop.until([&path, time] { return path.downs == time && path.device->in_flight() == 0; }));
            CHECK(path.ios.back().completions == 1);
            CHECK_FALSE(path.ios.back().status.ok());
            CHECK(path.device->generation() == static_cast<unsigned>(time));
        }
    }
}

TEST_CASE("a server that dies right after each connect is tried more and more slowly") {
    TempDirectory directory;
    Liar liar(directory / "s", [](Liar::Peer &peer) { negotiate(peer); });
    Loop loop;
    Path path(loop, unix_uri(directory / "s"));
    loop.pass(milliseconds(1000)); // 0, 50, 150, 350, 550, 750, 950 ms
    CHECK(liar.connections >= 4);
    CHECK(liar.connections <= 8);
}

TEST_CASE("a backend can be closed in every state") {
    TempDirectory directory;
    Loop loop;
    Liar silent(directory / "silent", [](Liar::Peer &peer) { peer.wait_for_end(); });
    Liar mute(directory / "mute", [](Liar::Peer &peer) { negotiate(peer), peer.wait_for_end(); });
    for (const std::string &uri :
         {unix_uri(directory / "silent"), unix_uri(directory / "mute"), unix_uri(directory / "nothing"),
          std::string("nbd://no-such-host.invalid/"), std::string("nbd://192.0.2.1/")}) {
        for (const int turns : {0, 1, 3, 20, 120}) {
            CAPTURE(uri);
            Path path(loop, uri);
            if (turns > 0)
                loop.pass(milliseconds(turns));
            if (path.device->up())
                send_many(path, 100);
            path.close();
            CHECK(all_failed_once(path));
        }
    }
}

TEST_CASE("more requests than the wire may hold are sent in order") {
    TempDirectory directory;
    Loop loop;
    ChildProcess server(nbdkit(directory / "s", {"memory", "1M"}));
    Path path(loop, unix_uri(directory / "s"), milliseconds(30000), milliseconds(5000), 1);
    REQUIRE(path.wait_up());
    for (unsigned char i = 1; i <= 200; ++i)
        path.send(path.start(Operation::write, 0, 4096, i));
    CHECK(loop.until([&path] { return completions(path) == 200; }));
    CHECK(path.holds(0, 4096, 200));
}

TEST_CASE("an idle connection is asked now and then, and lost when its server does not answer") {
    TempDirectory directory;
    const std::string socket = directory / "s";
    Loop loop;
    ChildProcess server(nbdkit(socket, {"memory", "1M"}));
    Path path(loop, unix_uri(socket), milliseconds(30000), milliseconds(5000), 64, false, milliseconds(200),
              milliseconds(400));
    REQUIRE(path.wait_up());
    loop.pass(milliseconds(1000)); // several questions, all answered
    CHECK(path.downs == 0);
    CHECK(path.device->in_flight() == 0);
    const auto stopped = base::Clock::now();
    server.stop();
    CHECK(path.wait_down());
    CHECK(base::Clock::now() - stopped >= milliseconds(300));
    server.resume();
    CHECK(path.wait_up());
    CHECK(path.holds(0, 4096, 0));
}

TEST_CASE("idle_check: 0 leaves an idle connection alone") {
    TempDirectory directory;
    const std::string socket = directory / "s";
    Loop loop;
    ChildProcess server(nbdkit(socket, {"memory", "1M"}));
    Path path(loop, unix_uri(socket), milliseconds(30000), milliseconds(5000), 64, false, milliseconds(0),
              milliseconds(100));
    REQUIRE(path.wait_up());
    CHECK(path.holds(0, 4096, 0));
    server.stop();
    loop.pass(milliseconds(800));
    CHECK(path.downs == 0);
    server.resume();
}
