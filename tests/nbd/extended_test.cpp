// SPDX-License-Identifier: BSD-3-Clause
// Extended headers, seen by a client.
#include "session_client.hpp"

#include <algorithm>

using namespace session_test;
using wire::Command;

namespace {

constexpr nbd::Agreement extended{.dialect = wire::Dialect::extended, .allocation = true};

wire::RequestHeader ask(Command command, std::uint64_t offset = 0, std::uint64_t length = 0,
                        unsigned flags = 0) {
    return {.magic = wire::extended_request_magic,
            .flags = static_cast<std::uint16_t>(flags),
            .command = command,
            .cookie = 77,
            .offset = offset,
            .length = length};
}
wire::RequestHeader write(std::uint64_t offset, std::uint64_t length) {
    return ask(Command::write, offset, length, wire::payload_length);
}

/// A reply without content: the error, or none.
wire::Error outcome(Client &client, std::uint64_t offset) {
    const Chunk chunk = client.chunk();
    CHECK(chunk.last);
    CHECK(chunk.cookie == 77);
    CHECK(chunk.request_offset == offset);
    if (chunk.type == wire::Chunk::none) {
        CHECK(chunk.payload.empty());
        return wire::Error::none;
    }
    REQUIRE(chunk.type == wire::Chunk::error);
    return chunk.error();
}

Bytes context_list(std::uint64_t length, const std::vector<std::uint32_t> &contexts) {
    Bytes bytes(8 + 4 * contexts.size());
    wire::store(bytes.data(), length);
    for (std::size_t i = 0; i < contexts.size(); ++i)
        wire::store(bytes.data() + 8 + 4 * i, contexts[i]);
    return bytes;
}

} // namespace

TEST_CASE("extended: what was written is read back") {
    Service service;
    Client client(service, extended);
    for (const std::uint32_t length : {1U, 4096U, 300000U}) {
        Bytes payload(length);
        for (std::size_t i = 0; i < payload.size(); ++i)
            payload[i] = static_cast<std::byte>(i * 7 + 1);
        client.post(write(3, length), payload);
        CHECK(outcome(client, 3) == wire::Error::none);
        client.post(ask(Command::read, 3, length));
        Bytes read;
        for (bool last = false; !last;) {
            const Chunk chunk = client.chunk();
            last = chunk.last;
            CHECK(chunk.request_offset == 3);
            CHECK(chunk.number<std::uint64_t>(0) == 3 + read.size());
            read.insert(read.end(), chunk.payload.begin() + 8, chunk.payload.end());
        }
        CHECK(read == payload);
    }
}

TEST_CASE("extended: every command is answered with a chunk") {
    Service service;
    Client client(service, extended);
    for (const Command command : {Command::trim, Command::write_zeroes, Command::cache}) {
        client.post(ask(command, 512, 1 << 20));
        CHECK(outcome(client, 512) == wire::Error::none);
    }
    client.post(ask(Command::flush));
    CHECK(outcome(client, 0) == wire::Error::none);
    client.post(ask(Command::read, 0, 4096));
    const Chunk chunk = client.chunk();
    CHECK(chunk.type == wire::Chunk::offset_hole);
    CHECK(chunk.number<std::uint32_t>(8) == 4096);
}

TEST_CASE("extended: a payload is consumed wherever it stands") {
    Service service;
    Client client(service, extended);
    for (const Command command : {Command::read, Command::trim, Command::flush, Command{99}}) {
        client.post(ask(command, 0, 70000, wire::payload_length), Bytes(70000, std::byte{0x25}));
        CHECK(outcome(client, 0) == wire::Error::einval);
    }
    client.post(ask(Command::write, 0, 512));
    CHECK(outcome(client, 0) == wire::Error::einval);
    client.post(write(8 << 20, 512), Bytes(512));
    CHECK(outcome(client, 8 << 20) == wire::Error::enospc);
    client.post(ask(Command::flush));
    CHECK(outcome(client, 0) == wire::Error::none);
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("extended: a length of 64 bits that lies is refused in step") {
    Service service;
    Client client(service, extended);
    client.post(ask(Command::trim, 512, 0xffffffffffffff00));
    CHECK(outcome(client, 512) == wire::Error::einval);
    client.post(ask(Command::read, 0, 0x100000200));
    CHECK(outcome(client, 0) == wire::Error::einval);
    client.post(ask(Command::flush));
    CHECK(outcome(client, 0) == wire::Error::none);
}

TEST_CASE("extended: a payload that nobody would drain, or a compact header, ends the connection") {
    Service service;
    Client client(service, extended);
    client.post(write(0, 66 << 20));
    CHECK(client.at_end());
    Client huge(service, extended);
    huge.post(ask(Command::read, 0, 0xffffffffffffffff, wire::payload_length));
    CHECK(huge.at_end());
    Client compact(service, extended);
    compact.post(request(Command::flush));
    CHECK(compact.at_end());
}

TEST_CASE("extended: block status has 64-bit extents") {
    Service service;
    Client client(service, extended);
    service.worker.run_and_wait([&] { service.device.bytes()[1 << 20] = std::byte{1}; });
    const auto check = [&] {
        const Chunk chunk = client.chunk();
        CHECK(chunk.type == wire::Chunk::block_status_ext);
        CHECK(chunk.number<std::uint32_t>(0) == 1);
        REQUIRE(chunk.number<std::uint32_t>(4) == 3);
        REQUIRE(chunk.payload.size() == 8 + 3 * 16);
        CHECK(chunk.number<std::uint64_t>(8) == 1 << 20);
        CHECK(chunk.number<std::uint64_t>(16) == 3);
        CHECK(chunk.number<std::uint64_t>(24) == 512);
        CHECK(chunk.number<std::uint64_t>(32) == 0);
    };
    client.post(ask(Command::block_status, 0, 8 << 20));
    check();
    const Bytes list = context_list(8 << 20, {1});
    client.post(ask(Command::block_status, 0, list.size(), wire::payload_length), list);
    check();
}

TEST_CASE("extended: a list of contexts is right or refused, in step") {
    Service service;
    Client client(service, extended);
    for (const Bytes &list :
         {context_list(512, {}), context_list(512, {2}), context_list(512, {1, 1}), context_list(512, {1, 2}),
          context_list(0, {1}), context_list(0xfffffffffffff000, {1}), Bytes(3), Bytes(100000)}) {
        client.post(ask(Command::block_status, 0, list.size(), wire::payload_length), list);
        CHECK(outcome(client, 0) == wire::Error::einval);
    }
    Bytes slow;
    const auto header = wire::encode_extended_request(
        ask(Command::block_status, 0, 12, wire::payload_length | wire::req_one));
    const Bytes list = context_list(512, {1});
    slow.assign(header.begin(), header.end());
    slow.insert(slow.end(), list.begin(), list.end());
    for (const std::byte &byte : slow)
        client.send(&byte, 1);
    CHECK(client.chunk().number<std::uint64_t>(8) == 512);
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}
