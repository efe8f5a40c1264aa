// SPDX-License-Identifier: BSD-3-Clause
#include "session_client.hpp"

#include <algorithm>
#include <set>

using namespace session_test;
using wire::Command;

namespace {
constexpr auto code(wire::Error error) { return static_cast<std::uint32_t>(error); }
} // namespace

TEST_CASE("what was written is read back") {
    Service service;
    Client client(service);
    for (const std::uint32_t length : {1U, 4096U, 16384U, 300000U, 5U << 20}) {
        Bytes payload(length);
        for (std::size_t i = 0; i < payload.size(); ++i)
            payload[i] = static_cast<std::byte>(i * 7 + length);
        CHECK(client.ask(request(Command::write, 3, length), payload) == 0);
        client.post(request(Command::read, 3, length, 2));
        CHECK(client.reply().cookie == 2);
        CHECK(client.receive(length) == payload);
    }
}

TEST_CASE("every kind of request reaches the device") {
    Service service;
    Client client(service);
    for (const Command command : {Command::trim, Command::write_zeroes, Command::cache})
        CHECK(client.ask(request(command, 0, 8 << 20)) == 0);
    CHECK(client.ask(request(Command::flush)) == 0);
    CHECK(service.on_worker([&] { return service.device.submitted; }) == 4);
}

TEST_CASE("FUA reaches the device for writes") {
    Service service;
    Client client(service);
    wire::RequestHeader header = request(Command::write, 0, 512);
    header.flags = wire::fua;
    CHECK(client.ask(header, Bytes(512)) == 0);
    CHECK(service.on_worker([&] { return service.device.last_fua; }));
}

TEST_CASE("the device's error is told, mapped to what is allowed") {
    Service service;
    Client client(service);
    service.worker.run_and_wait([&] {
        service.device.verdict = [](const block::Request &) { return block::Status::path_error(ETIMEDOUT); };
    });
    CHECK(client.ask(request(Command::read, 0, 512)) == code(wire::Error::eio));
}

TEST_CASE("a refused write's payload is consumed, of any size up to the limit") {
    Service service;
    Client client(service);
    for (const std::uint32_t length : {1U, 4096U, 300000U, (64U << 20) + 4096}) {
        CHECK(client.ask(request(Command::write, 8 << 20, length), Bytes(length)) ==
              code(wire::Error::enospc));
        CHECK(client.ask(request(Command::flush)) == 0);
    }
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("a write that nobody would drain ends the connection") {
    Service service;
    Client client(service);
    client.post(request(Command::write, 0, 66 << 20));
    CHECK(client.at_end());
}

TEST_CASE("a wrong magic ends the connection") {
    Service service;
    Client client(service);
    client.post({.magic = 0x21e41c71});
    CHECK(client.at_end());
}

TEST_CASE("a thousand requests sent at once are all answered") {
    Service service;
    Client client(service);
    Bytes all;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const auto bytes = wire::encode_request(request(Command::read, i * 512, 512, i));
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    client.send(all.data(), all.size());
    std::set<std::uint64_t> cookies;
    for (int i = 0; i < 1000; ++i) {
        const wire::SimpleReply reply = client.reply();
        CHECK(reply.error == 0);
        cookies.insert(reply.cookie);
        client.receive(512);
    }
    CHECK(cookies.size() == 1000);
}

TEST_CASE("a header may come byte by byte") {
    Service service;
    Client client(service);
    const auto bytes = wire::encode_request(request(Command::flush));
    for (const std::byte &byte : bytes)
        client.send(&byte, 1);
    CHECK(client.reply().error == 0);
}

TEST_CASE("a client that leaves within a write stores nothing of it") {
    Service service;
    const auto header = wire::encode_request(request(Command::write, 0, 64));
    Bytes all(header.begin(), header.end());
    all.resize(all.size() + 64, std::byte{0xff});
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
        Client client(service);
        client.send(all.data(), cut);
        client.close();
    }
    CHECK(service.becomes_true(
        [&] { return service.sessions.counters().sessions == 92 && service.sessions.count() == 0; }));
    CHECK(service.device.submitted == 0);
    CHECK(service.device.bytes()[0] == std::byte{0});
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("a large write cut short stores nothing and gives its memory back") {
    Service service;
    Client client(service);
    client.post(request(Command::write, 0, 1 << 20), Bytes(500000));
    client.close();
    CHECK(service.becomes_true(
        [&] { return service.sessions.counters().sessions == 1 && service.sessions.count() == 0; }));
    CHECK(service.device.submitted == 0);
    CHECK(service.payloads.used() == 0);
}

TEST_CASE("beyond its requests a session stops reading and errs not") {
    Service service({.size = 8 << 20}, {.requests_per_connection = 4});
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    for (std::uint64_t i = 0; i < 20; ++i)
        client.post(request(Command::read, 0, 512, i));
    CHECK(!client.has_input());
    CHECK(service.on_worker([&] { return service.device.submitted; }) == 4);
    service.worker.run_and_wait([&] { service.device.let_go(); });
    for (int i = 0; i < 20; ++i) {
        CHECK(client.reply().error == 0);
        client.receive(512);
    }
}

TEST_CASE("when memory is out sessions wait for it, and all get on") {
    Service service({.size = 8 << 20}, {}, 64 << 10);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i)
        clients.push_back(std::make_unique<Client>(service));
    for (const auto &client : clients)
        for (std::uint64_t i = 0; i < 20; ++i)
            client->post(request(Command::write, 0, 20000, i), Bytes(20000));
    for (const auto &client : clients)
        for (int i = 0; i < 20; ++i)
            CHECK(client->reply().error == 0);
}

TEST_CASE("beyond its bytes a writer is not read from") {
    Service service({.size = 8 << 20}, {.bytes_per_connection = 16 << 10});
    service.worker.run_and_wait([&] { service.device.holding = true; });
    Client client(service);
    for (std::uint64_t i = 0; i < 6; ++i)
        client.post(request(Command::write, 0, 8 << 10, i), Bytes(8 << 10));
    CHECK(!client.has_input());
    CHECK(service.on_worker([&] { return service.device.submitted; }) == 2);
    service.worker.run_and_wait([&] { service.device.let_go(); });
    for (int i = 0; i < 6; ++i)
        CHECK(client.reply().error == 0);
}

TEST_CASE("small requests get through beside clients that have all the memory") {
    Service service({.size = 8 << 20}, {}, 1 << 20);
    service.worker.run_and_wait([&] { service.device.holding = true; });
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(std::make_unique<Client>(service));
        for (std::uint64_t number = 0; number < 4; ++number)
            clients.back()->post(request(Command::write, 0, 32 << 10, number), Bytes(32 << 10));
    }
    CHECK(service.becomes_true([&] { return service.payloads.used() >= 896 << 10; }));
    service.worker.run_and_wait([&] { service.device.holding = false; });
    Client modest(service);
    modest.post(request(Command::read, 0, 4096));
    CHECK(modest.reply().error == 0);
    modest.receive(4096);
    service.worker.run_and_wait([&] { service.device.let_go(); });
    for (const auto &client : clients)
        for (int i = 0; i < 4; ++i)
            CHECK(client->reply().error == 0);
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("a request larger than all memory is served when it is alone") {
    Service service({.size = 8 << 20}, {}, 64 << 10);
    Client client(service);
    CHECK(client.ask(request(Command::write, 0, 1 << 20), Bytes(1 << 20)) == 0);
}

TEST_CASE("a client that does not read is not read from, and others go on") {
    Service service({.size = 8 << 20}, {.bytes_per_connection = 1 << 20});
    Client slow(service);
    for (std::uint64_t i = 0; i < 100; ++i)
        slow.post(request(Command::read, 0, 1 << 20, i));
    Client other(service);
    for (int i = 0; i < 100; ++i)
        CHECK(other.ask(request(Command::flush)) == 0);
    CHECK(service.on_worker([&] { return service.payloads.used(); }) <= 64 << 20);
    for (int i = 0; i < 100; ++i) {
        CHECK(slow.reply().error == 0);
        CHECK(slow.receive(1 << 20).size() == 1 << 20);
    }
}

TEST_CASE("an idle session holds no buffer") {
    Service service;
    Client client(service);
    CHECK(client.ask(request(Command::write, 0, 4096), Bytes(4096)) == 0);
    CHECK(service.on_worker([&] { return service.sessions.blocks().used() + service.payloads.used(); }) == 0);
    CHECK(sizeof(nbd::Session) < 1024);
}
