// SPDX-License-Identifier: BSD-3-Clause
// Reads whose data go from the device to the client through pipes.
#include "nbd/pipe_pool.hpp"

#include "session_client.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <set>
#include <unistd.h>

using namespace session_test;
using wire::Command;

namespace {

struct Piped : Service {
    Piped() {
        std::signal(SIGPIPE, SIG_IGN); // as the daemon does: splice cannot be told otherwise
        worker.run_and_wait([this] {
            device.pipes = true;
            auto &bytes = device.bytes();
            for (std::size_t i = 0; i < bytes.size(); ++i)
                bytes[i] = static_cast<std::byte>(i * 31 + i / 4096 + 1);
        });
    }
    bool holds(const Bytes &data, std::uint64_t offset) {
        return std::equal(data.begin(), data.end(),
                          device.bytes().begin() + static_cast<std::ptrdiff_t>(offset));
    }
};

std::size_t open_descriptors() {
    std::size_t count = 0;
    for (int fd = 0; fd < 1024; ++fd)
        count += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
    return count;
}

} // namespace

TEST_CASE("a pipe that is not empty is not given out again") {
    nbd::PipePool pool;
    block::Pipe *pipe = pool.take();
    REQUIRE(pipe != nullptr);
    REQUIRE(::write(pipe->in, "x", 1) == 1);
    pool.give_back(pipe, true);
    pipe = pool.take();
    char byte = 0;
    CHECK(::read(pipe->out, &byte, 1) == -1);
    pool.give_back(pipe, true);
}

TEST_CASE("there are so many pipes and no more") {
    const std::size_t before = open_descriptors();
    {
        nbd::PipePool pool;
        std::set<block::Pipe *> taken;
        while (block::Pipe *pipe = pool.take())
            CHECK(taken.insert(pipe).second);
        CHECK(taken.size() == 16);
        for (block::Pipe *pipe : taken)
            pool.give_back(pipe, true);
        CHECK(pool.take() != nullptr);
        pool.give_back(*taken.begin(), false);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("data come through pipes as they are, whatever is around them") {
    for (const wire::Dialect dialect : {wire::Dialect::simple, wire::Dialect::structured}) {
        Piped service;
        Client client(service, {.dialect = dialect});
        const std::vector<std::uint32_t> lengths{512, 65536, 100001, 262144, 4096, 262143, 300000};
        for (std::size_t i = 0; i < lengths.size(); ++i)
            client.post(request(Command::read, 1000 + i, lengths[i], i));
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            if (dialect == wire::Dialect::simple) {
                const wire::SimpleReply reply = client.reply();
                CHECK(reply.error == 0);
                CHECK(service.holds(client.receive(lengths[reply.cookie]), 1000 + reply.cookie));
                continue;
            }
            for (bool last = false; !last;) {
                const Chunk chunk = client.chunk();
                last = chunk.last;
                CHECK(service.holds({chunk.payload.begin() + 8, chunk.payload.end()},
                                    chunk.number<std::uint64_t>(0)));
            }
        }
    }
}

TEST_CASE("more reads than pipes, and a client that reads slowly") {
    Piped service;
    Client client(service);
    for (std::uint64_t i = 0; i < 60; ++i)
        client.post(request(Command::read, i * 1000, 256 << 10, i));
    CHECK(client.has_input(5000));
    for (int i = 0; i < 60; ++i) {
        const wire::SimpleReply reply = client.reply();
        Bytes data = client.receive(100001);
        const Bytes rest = client.receive((256 << 10) - 100001);
        data.insert(data.end(), rest.begin(), rest.end());
        CHECK(service.holds(data, reply.cookie * 1000));
    }
    CHECK(service.on_worker([&] { return service.payloads.used(); }) == 0);
}

TEST_CASE("pipes are offered until one is not taken, and closed when nobody is left") {
    const std::size_t before = open_descriptors();
    Piped service;
    const std::size_t idle = open_descriptors();
    std::atomic<int> offered{0};
    service.worker.run_and_wait([&] {
        service.device.verdict = [&offered](const block::Request &request) {
            offered += request.pipe != nullptr ? 1 : 0;
            return block::Status::success();
        };
    });
    const auto read_twice = [&service, &offered] {
        Client client(service);
        offered = 0;
        for (int i = 0; i < 2; ++i) {
            client.post(request(Command::read, 0, 65536));
            CHECK(client.reply().error == 0);
            client.receive(65536);
        }
        return offered.load();
    };
    CHECK(read_twice() == 2);
    service.worker.run_and_wait([&] { service.device.pipes = false; });
    CHECK(read_twice() == 1);
    CHECK(service.becomes_true([&] { return open_descriptors() == idle; }));
    CHECK(idle > before);
}

TEST_CASE("a client that leaves in the middle spoils no pipe for the next one") {
    Piped service;
    for (int i = 0; i < 10; ++i) {
        Client client(service);
        for (std::uint64_t k = 0; k < 40; ++k)
            client.post(request(Command::read, 0, 256 << 10, k));
        client.receive(100000);
    }
    Client client(service);
    client.post(request(Command::read, 5000, 200000));
    CHECK(client.reply().error == 0);
    CHECK(service.holds(client.receive(200000), 5000));
}

TEST_CASE("a read of any alignment needs no pipe") {
    Service service({.size = 8 << 20, .minimum_block = 4096});
    service.worker.run_and_wait([&] {
        service.device.pipes = true;
        std::fill(service.device.bytes().begin(), service.device.bytes().end(), std::byte{7});
    });
    Client client(service);
    client.post(request(Command::read, 100, 100000));
    CHECK(client.reply().error == 0);
    CHECK(client.receive(100000) == Bytes(100000, std::byte{7}));
}
