// SPDX-License-Identifier: BSD-3-Clause
// BLOCK_STATUS with base:allocation, seen by a client.
#include "session_client.hpp"

using namespace session_test;
using wire::Command;

namespace {

constexpr nbd::Agreement with_status{.dialect = wire::Dialect::structured, .allocation = true};

struct Descriptor {
    std::uint32_t length;
    std::uint32_t state;
    bool operator==(const Descriptor &) const = default;
};

std::vector<Descriptor> ask(Client &client, std::uint64_t offset, std::uint32_t length, unsigned flags = 0) {
    wire::RequestHeader header = request(Command::block_status, offset, length, 5);
    header.flags = static_cast<std::uint16_t>(flags);
    client.post(header);
    const Chunk chunk = client.chunk();
    REQUIRE(chunk.type == wire::Chunk::block_status);
    CHECK(chunk.last);
    CHECK(chunk.cookie == 5);
    CHECK(chunk.number<std::uint32_t>(0) == 1);
    std::vector<Descriptor> found;
    for (std::size_t at = 4; at < chunk.payload.size(); at += 8)
        found.push_back({chunk.number<std::uint32_t>(at), chunk.number<std::uint32_t>(at + 4)});
    return found;
}

void write_at(Service &service, std::size_t offset) {
    service.worker.run_and_wait([&service, offset] { service.device.bytes()[offset] = std::byte{1}; });
}

} // namespace

TEST_CASE("block status tells holes and data in order") {
    Service service;
    write_at(service, 1 << 20);
    Client client(service, with_status);
    CHECK(ask(client, 0, 8 << 20) == std::vector<Descriptor>{{1 << 20, 3}, {512, 0}, {(7 << 20) - 512, 3}});
    CHECK(ask(client, 4096, 512) == std::vector<Descriptor>{{512, 3}});
    CHECK(ask(client, 1 << 20, 1) == std::vector<Descriptor>{{1, 0}});
}

TEST_CASE("one extent may be asked for, and is not longer than the request") {
    Service service;
    write_at(service, 1 << 20);
    Client client(service, with_status);
    CHECK(ask(client, 512, 8 << 19, wire::req_one) == std::vector<Descriptor>{{(1 << 20) - 512, 3}});
    CHECK(ask(client, 0, 4096, wire::req_one) == std::vector<Descriptor>{{4096, 3}});
}

TEST_CASE("more extents than fit into an answer are told in part") {
    Service service;
    for (std::size_t at = 0; at < 8 << 20; at += 1024)
        service.device.bytes()[at] = std::byte{1};
    Client client(service, with_status);
    const auto first = ask(client, 0, 8 << 20);
    CHECK(first.size() == 4096);
    CHECK(ask(client, 2048 * 1024, 8 << 18).size() == 4096);
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("descriptors are multiples of the minimum block") {
    Service service({.size = 8 << 20, .minimum_block = 4096});
    write_at(service, 4096 + 512);
    Client client(service, with_status);
    CHECK(ask(client, 0, 16384) == std::vector<Descriptor>{{4096, 3}, {4096, 0}, {8192, 3}});
}

TEST_CASE("block status is refused without a context, beyond the end and when empty") {
    Service service;
    Client none(service, {.dialect = wire::Dialect::structured});
    none.post(request(Command::block_status, 0, 512));
    CHECK(none.chunk().error() == wire::Error::einval);
    Client client(service, with_status);
    for (const auto &header :
         {request(Command::block_status, 8 << 20, 1), request(Command::block_status, 0, 0),
          request(Command::block_status, (8 << 20) - 1, 2)}) {
        client.post(header);
        CHECK(client.chunk().error() == wire::Error::einval);
    }
    CHECK(client.ask(request(Command::flush)) == 0);
}

TEST_CASE("a device that fails fails the block status") {
    Service service;
    service.worker.run_and_wait([&] {
        service.device.verdict = [](const block::Request &) { return block::Status::path_error(EIO); };
    });
    Client client(service, with_status);
    client.post(request(Command::block_status, 0, 512));
    CHECK(client.chunk().error() == wire::Error::eio);
}

TEST_CASE("a client that does not read its extents is not read from") {
    Service service({.size = 8 << 20}, {.bytes_per_connection = 200 << 10});
    Client client(service, with_status);
    for (std::uint64_t i = 0; i < 50; ++i)
        client.post(request(Command::block_status, 0, 512, i));
    service.becomes_true([&] { return service.device.submitted > 0; });
    CHECK(service.on_worker([&] { return service.payloads.used(); }) <= 256 << 10);
    for (int i = 0; i < 50; ++i)
        CHECK(client.chunk().type == wire::Chunk::block_status);
}
