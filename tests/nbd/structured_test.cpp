// SPDX-License-Identifier: BSD-3-Clause
// Structured replies, seen by a client.
#include "session_client.hpp"

#include <algorithm>
#include <map>

using namespace session_test;
using wire::Command;

namespace {

constexpr nbd::Agreement structured{.dialect = wire::Dialect::structured};

void fill(Service &service) {
    service.worker.run_and_wait([&] {
        auto &bytes = service.device.bytes();
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::byte>(i * 31 + i / 4096 + 1);
    });
}

/// All chunks of a read put together; checks that they lie in the range and do not overlap.
Bytes assemble(Client &client, std::uint64_t offset, std::uint64_t length, std::size_t *chunks = nullptr) {
    Bytes data(length);
    std::uint64_t covered = 0;
    std::map<std::uint64_t, std::uint64_t> pieces;
    for (bool last = false; !last;) {
        const Chunk chunk = client.chunk();
        last = chunk.last;
        const bool hole = chunk.type == wire::Chunk::offset_hole;
        REQUIRE((hole || chunk.type == wire::Chunk::offset_data));
        const auto at = chunk.number<std::uint64_t>(0);
        const std::uint64_t size = hole ? chunk.number<std::uint32_t>(8) : chunk.payload.size() - 8;
        REQUIRE((at >= offset && at + size <= offset + length && size > 0));
        CHECK(pieces.emplace(at, size).second);
        covered += size;
        if (!hole)
            std::copy_n(chunk.payload.data() + 8, size, data.data() + (at - offset));
    }
    CHECK(covered == length);
    if (chunks != nullptr)
        *chunks = pieces.size();
    return data;
}

} // namespace

TEST_CASE("a structured read tells the data and where they belong") {
    Service service;
    fill(service);
    Client client(service, structured);
    client.post(request(Command::read, 777, 1000, 42));
    const Chunk chunk = client.chunk();
    CHECK(chunk.last);
    CHECK(chunk.type == wire::Chunk::offset_data);
    CHECK(chunk.cookie == 42);
    CHECK(chunk.number<std::uint64_t>(0) == 777);
    CHECK(std::equal(chunk.payload.begin() + 8, chunk.payload.end(), service.device.bytes().begin() + 777));
}

TEST_CASE("a large read comes in chunks that are complete together") {
    Service service;
    fill(service);
    Client client(service, structured);
    client.post(request(Command::read, 100, 3000000));
    std::size_t chunks = 0;
    const Bytes data = assemble(client, 100, 3000000, &chunks);
    CHECK(chunks > 2);
    CHECK(std::equal(data.begin(), data.end(), service.device.bytes().begin() + 100));
}

TEST_CASE("small replies pass between the chunks of a large one") {
    Service service;
    fill(service);
    Client client(service, structured);
    client.post(request(Command::read, 0, 8 << 20, 1));
    for (std::uint64_t i = 2; i < 10; ++i)
        client.post(request(Command::read, 0, 16, i));
    std::size_t small = 0;
    for (;;) {
        const Chunk chunk = client.chunk();
        if (chunk.cookie != 1)
            ++small;
        else if (chunk.last)
            break;
    }
    CHECK(small == 8);
}

TEST_CASE("a read that asks for one chunk gets one") {
    Service service;
    fill(service);
    Client client(service, structured);
    wire::RequestHeader header = request(Command::read, 0, 5 << 20);
    header.flags = wire::df;
    client.post(header);
    std::size_t chunks = 0;
    assemble(client, 0, 5 << 20, &chunks);
    CHECK(chunks == 1);
}

TEST_CASE("zeroes are told as holes") {
    Service service;
    Client client(service, structured);
    client.post(request(Command::read, 512, 4096));
    const Chunk chunk = client.chunk();
    CHECK(chunk.last);
    CHECK(chunk.type == wire::Chunk::offset_hole);
    CHECK(chunk.number<std::uint64_t>(0) == 512);
    CHECK(chunk.number<std::uint32_t>(8) == 4096);
}

TEST_CASE("one byte that is not zero makes it data") {
    Service service;
    Client client(service, structured);
    service.worker.run_and_wait([&] { service.device.bytes()[4095] = std::byte{1}; });
    client.post(request(Command::read, 0, 4096));
    CHECK(client.chunk().type == wire::Chunk::offset_data);
    client.post(request(Command::read, 4096, 4096));
    CHECK(client.chunk().type == wire::Chunk::offset_hole);
}

TEST_CASE("what carries no data is answered simply") {
    Service service;
    Client client(service, structured);
    CHECK(client.ask(request(Command::flush)) == 0);
    CHECK(client.ask(request(Command::write, 0, 512), Bytes(512)) == 0);
}

TEST_CASE("errors come as chunks with a text") {
    Service service;
    Client client(service, structured);
    client.post(request(Command::read, 8 << 20, 1, 9));
    Chunk chunk = client.chunk();
    CHECK(chunk.last);
    CHECK(chunk.type == wire::Chunk::error);
    CHECK(chunk.cookie == 9);
    CHECK(chunk.error() == wire::Error::einval);
    CHECK(chunk.number<std::uint16_t>(4) == chunk.text(6).size());
    CHECK(chunk.text(6) == "beyond the end of the export");
    client.post(request(Command::write, 8 << 20, 300000), Bytes(300000));
    CHECK(client.chunk().error() == wire::Error::enospc);
}

TEST_CASE("a read that fails tells no data") {
    Service service;
    Client client(service, structured);
    service.worker.run_and_wait([&] {
        service.device.verdict = [](const block::Request &) { return block::Status::path_error(EIO); };
    });
    client.post(request(Command::read, 0, 1 << 20));
    const Chunk chunk = client.chunk();
    CHECK(chunk.last);
    CHECK(chunk.error() == wire::Error::eio);
    CHECK(!chunk.text(6).empty());
}
