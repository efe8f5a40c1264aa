// SPDX-License-Identifier: BSD-3-Clause
#include "session_client.hpp"

using namespace session_test;
using std::chrono::milliseconds;
using wire::Command;

namespace {
constexpr auto code(wire::Error error) { return static_cast<std::uint32_t>(error); }

bool all_gone(Service &service) {
    return service.becomes_true(
        [&] { return service.sessions.counters().sessions > 0 && service.sessions.count() == 0; });
}
bool in_flight(Service &service, std::uint64_t requests) {
    return service.becomes_true([&] { return service.device.submitted == requests; });
}
} // namespace

TEST_CASE("DISC is not answered, what is in flight is") {
    Service service;
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    for (std::uint64_t i = 0; i < 10; ++i)
        client.post(request(Command::read, 0, 4096, i));
    client.post(request(Command::disconnect));
    client.post(request(Command::flush)); // ignored
    CHECK(in_flight(service, 10));
    service.worker.run_and_wait([&] { service.device.let_go(); });
    for (int i = 0; i < 10; ++i) {
        CHECK(client.reply().error == 0);
        client.receive(4096);
    }
    CHECK(client.at_end());
    client.close();
    CHECK(all_gone(service));
}

TEST_CASE("a half-closed client gets its answers, then the end") {
    Service service;
    Client client(service);
    for (std::uint64_t i = 0; i < 300; ++i)
        client.post(request(Command::read, 0, 512, i));
    client.half_close();
    for (int i = 0; i < 300; ++i) {
        CHECK(client.reply().error == 0);
        client.receive(512);
    }
    CHECK(client.at_end());
    CHECK(all_gone(service));
}

TEST_CASE("what waits for a path is dropped with its client") {
    Service service;
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    Client other(service);
    other.post(request(Command::flush));
    client.post(request(Command::write, 0, 512), Bytes(512, std::byte{1}));
    CHECK(in_flight(service, 2));
    client.close();
    CHECK(service.becomes_true([&] { return service.device.dropped == 1 && service.sessions.count() == 1; }));
    service.worker.run_and_wait([&] { service.device.let_go(); });
    CHECK(other.reply().error == 0);
    CHECK(service.device.bytes()[0] == std::byte{0});
}

TEST_CASE("the death of a client that is not read from is noticed") {
    Service service({.size = 8 << 20}, {.requests_per_connection = 1});
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    for (std::uint64_t i = 0; i < 3; ++i)
        client.post(request(Command::flush, 0, 0, i));
    CHECK(in_flight(service, 1));
    client.close();
    CHECK(all_gone(service));
    CHECK(service.device.dropped == 1);
}

TEST_CASE("who is gone has ended before the next client's first request") {
    // One at a time: the second write is not read, and nothing tells of the end.
    Service service({.size = 8 << 20}, {.requests_per_connection = 1});
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    for (std::uint64_t i = 0; i < 2; ++i)
        client.post(request(Command::write, 0, 512, i), Bytes(512, std::byte{1}));
    CHECK(in_flight(service, 1));
    SUBCASE("by close") { client.close(); }
    SUBCASE("by the end of its stream, which is all that TCP may tell") { client.half_close(); }
    Client next(service);
    next.post(request(Command::write, 0, 512), Bytes(512, std::byte{2}));
    CHECK(in_flight(service, 2));
    CHECK(service.on_worker([&] { return service.device.dropped; }) == 1);
    service.worker.run_and_wait([&] { service.device.let_go(); });
    CHECK(next.reply().error == 0);
    CHECK(service.becomes_true([&] { return service.sessions.count() == 1; }));
    CHECK(service.on_worker([&] { return service.device.submitted; }) == 2);
    CHECK(service.device.bytes()[0] == std::byte{2});
}

TEST_CASE("a client that stalls within a request is hung up on") {
    Service service({.size = 8 << 20}, {.stall_timeout = milliseconds(20)});
    Client half_header(service);
    half_header.send("\x25\x60", 2);
    Client half_payload(service);
    half_payload.post(request(Command::write, 0, 512), Bytes(100));
    CHECK(half_header.at_end());
    CHECK(half_payload.at_end());
    CHECK(all_gone(service));
}

TEST_CASE("a client that does not read its replies is hung up on") {
    Service service({.size = 8 << 20}, {.stall_timeout = milliseconds(50)});
    Client client(service);
    for (std::uint64_t i = 0; i < 10; ++i)
        client.post(request(Command::read, 0, 4 << 20, i));
    CHECK(all_gone(service));
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("a quiet client is left alone") {
    Service service({.size = 8 << 20}, {.stall_timeout = milliseconds(5)});
    Client client(service);
    CHECK(client.ask(request(Command::flush)) == 0);
    CHECK(!client.has_input(50));
    CHECK(client.ask(request(Command::flush)) == 0);
}

TEST_CASE("shutdown ends idle sessions soon") {
    Service service;
    Client client(service);
    CHECK(client.ask(request(Command::flush)) == 0);
    service.begin_shutdown(std::chrono::seconds(30));
    CHECK(client.at_end());
    client.close();
    CHECK(all_gone(service));
}

TEST_CASE("a client that was idle for a moment hears of the shutdown") {
    Service service({.size = 8 << 20}, {.farewell = std::chrono::seconds(30)});
    Client client(service);
    CHECK(client.ask(request(Command::flush)) == 0);
    service.begin_shutdown(std::chrono::seconds(30));
    for (int i = 0; i < 3; ++i)
        CHECK(client.ask(request(Command::flush)) == code(wire::Error::eshutdown));
    client.close();
    CHECK(all_gone(service));
}

TEST_CASE("a client that goes on sending does not keep the server") {
    Service service({.size = 8 << 20}, {.farewell = milliseconds(20)});
    Client client(service);
    service.begin_shutdown(std::chrono::seconds(30));
    const auto begin = std::chrono::steady_clock::now();
    bool ended = false;
    while (!ended && std::chrono::steady_clock::now() - begin < std::chrono::seconds(10)) {
        client.post(request(Command::flush));
        ended = client.receive(wire::simple_reply_size).empty();
    }
    CHECK(ended);
}

TEST_CASE("during shutdown new requests are refused and old ones finish") {
    Service service;
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    client.post(request(Command::flush, 0, 0, 1));
    CHECK(in_flight(service, 1));
    service.begin_shutdown(std::chrono::seconds(30));
    CHECK(client.ask(request(Command::read, 0, 512, 2)) == code(wire::Error::eshutdown));
    service.worker.run_and_wait([&] { service.device.let_go(); });
    const wire::SimpleReply last = client.reply();
    CHECK(last.error == 0);
    CHECK(last.cookie == 1);
    CHECK(client.at_end());
}

TEST_CASE("shutdown does not wait longer than its grace for a client") {
    Service service;
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    client.post(request(Command::flush));
    CHECK(in_flight(service, 1));
    service.begin_shutdown(milliseconds(10));
    CHECK(client.at_end());
    CHECK(all_gone(service));
}

TEST_CASE("a connection that arrives after shutdown is closed") {
    Service service;
    service.begin_shutdown(milliseconds(0));
    Client client(service);
    CHECK(client.at_end());
}
