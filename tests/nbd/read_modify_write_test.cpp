// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/read_modify_write.hpp"

#include "block/extents.hpp"
#include "fakes/manual_scheduler.hpp"
#include "fakes/memory_device.hpp"

#include <deque>
#include <doctest/doctest.h>
#include <optional>
#include <random>

using block::Operation;
using block::Status;

namespace {

constexpr std::uint64_t block_size = 4096;
using Bytes = std::vector<std::byte>;

/// One client: requests and what became of them.
struct Client final : block::Layer {
    struct Call {
        block::Request request;
        Bytes data;
        std::optional<Status> status;
    };
    Call &make(Operation operation, std::uint64_t offset, std::uint64_t length, std::byte fill = {}) {
        Call &call = calls.emplace_back();
        if (operation == Operation::read || operation == Operation::write)
            call.data.assign(length, fill);
        call.request.operation = operation;
        call.request.offset = offset;
        call.request.length = length;
        call.request.data = call.data.empty() ? nullptr : call.data.data();
        return call;
    }
    void completed(block::Request &request, Status status) noexcept override {
        auto &call = *static_cast<Call *>(request.popped());
        CHECK_FALSE(call.status);
        call.status = status;
    }
    [[nodiscard]] bool abandoned() const noexcept override { return gone; }
    std::deque<Call> calls;
    bool gone = false;
};

struct Rig {
    Client::Call &send(Client &from, Client::Call &call) {
        call.request.push(from, &call);
        layer.submit(call.request);
        CHECK_FALSE(call.status);
        return call;
    }
    Status run(Client::Call &call) {
        send(client, call);
        scheduler.run();
        REQUIRE(call.status);
        return *call.status;
    }
    Status run(Operation operation, std::uint64_t offset, std::uint64_t length, std::byte fill = {}) {
        return run(client.make(operation, offset, length, fill));
    }
    fakes::ManualScheduler scheduler;
    fakes::MemoryDevice device{scheduler, {.size = 1 << 20, .minimum_block = block_size}};
    nbd::ReadModifyWrite layer{scheduler, device};
    Client client;
    Client other;
};

} // namespace

TEST_CASE("the device sees whole blocks only, and every byte is right") {
    Rig rig;
    rig.device.verdict = [](const block::Request &request) {
        CHECK((request.offset | request.length) % block_size == 0);
        return Status::success();
    };
    std::mt19937 random(3);
    Bytes model(1 << 20);
    for (int i = 0; i < 3000; ++i) {
        const std::uint64_t offset = random() % (model.size() - 1);
        const std::uint64_t length = 1 + random() % std::min<std::uint64_t>(model.size() - offset, 20000);
        const auto at = model.begin() + static_cast<std::ptrdiff_t>(offset);
        const auto end = at + static_cast<std::ptrdiff_t>(length);
        const auto fill = static_cast<std::byte>(random());
        switch (random() % 4) {
        case 0:
            CHECK(rig.run(Operation::write, offset, length, fill).ok());
            std::fill(at, end, fill);
            break;
        case 1:
            CHECK(rig.run(Operation::write_zeroes, offset, length).ok());
            std::fill(at, end, std::byte{});
            break;
        default:
            Client::Call &call = rig.client.make(Operation::read, offset, length, std::byte{0xee});
            CHECK(rig.run(call).ok());
            CHECK(std::equal(at, end, call.data.begin()));
            CHECK(call.request.offset == offset);
            CHECK(call.request.length == length);
        }
        rig.client.calls.clear();
    }
    CHECK(rig.device.bytes() == model);
}

TEST_CASE("two clients that change different bytes of a block lose none of them") {
    Rig rig;
    rig.device.holding = true;
    auto &first = rig.send(rig.client, rig.client.make(Operation::write, 0, 512, std::byte{1}));
    auto &second = rig.send(rig.other, rig.other.make(Operation::write, 512, 512, std::byte{2}));
    auto &whole_other = rig.send(rig.other, rig.other.make(Operation::write, 8192, 4096, std::byte{3}));
    rig.scheduler.run();
    CHECK(rig.device.submitted == 2); // the first one's read, and the write that is not concerned
    rig.device.let_go();
    rig.scheduler.run();
    CHECK((first.status && second.status && whole_other.status));
    CHECK(rig.device.bytes()[0] == std::byte{1});
    CHECK(rig.device.bytes()[511] == std::byte{1});
    CHECK(rig.device.bytes()[512] == std::byte{2});
    CHECK(rig.device.bytes()[8192] == std::byte{3});
}

TEST_CASE("a whole block written by another client is not undone") {
    for (const bool partial_first : {false, true}) {
        Rig rig;
        rig.device.holding = true;
        const auto partial = [&rig] {
            rig.send(rig.client, rig.client.make(Operation::write, 100, 10, std::byte{1}));
        };
        if (partial_first)
            partial();
        rig.send(rig.other, rig.other.make(Operation::write, 0, 8192, std::byte{2}));
        if (!partial_first)
            partial();
        rig.scheduler.run();
        CHECK(rig.device.submitted == 1);
        rig.device.let_go();
        rig.scheduler.run();
        CHECK(rig.device.bytes()[99] == std::byte{2});
        CHECK(rig.device.bytes()[8191] == std::byte{2});
        CHECK(rig.device.bytes()[105] == (partial_first ? std::byte{2} : std::byte{1}));
    }
}

TEST_CASE("whole blocks do not wait for one another, reads for nobody") {
    Rig rig;
    rig.device.holding = true;
    for (int i = 0; i < 3; ++i)
        rig.send(rig.client, rig.client.make(Operation::write, 0, 4096));
    rig.send(rig.client, rig.client.make(Operation::read, 10, 10));
    rig.scheduler.run();
    CHECK(rig.device.submitted == 4);
    rig.device.let_go();
    rig.scheduler.run();
}

TEST_CASE("FUA is kept for what is written and not given to what is read") {
    Rig rig;
    std::vector<std::pair<Operation, bool>> seen;
    rig.device.verdict = [&seen](const block::Request &request) {
        seen.emplace_back(request.operation, request.fua);
        return Status::success();
    };
    Client::Call &call = rig.client.make(Operation::write, 1, 1);
    call.request.fua = true;
    CHECK(rig.run(call).ok());
    CHECK(seen ==
          std::vector<std::pair<Operation, bool>>{{Operation::read, false}, {Operation::write, true}});
}

TEST_CASE("trimming keeps to whole blocks, zeroing fast is refused between them") {
    Rig rig;
    CHECK(rig.run(Operation::trim, 1, 4096).ok());
    CHECK(rig.device.submitted == 0);
    CHECK(rig.run(Operation::trim, 1, 3 * 4096).ok());
    CHECK(rig.device.submitted == 1);
    Client::Call &fast = rig.client.make(Operation::write_zeroes, 1, 4096);
    fast.request.fast_zero = true;
    CHECK(rig.run(fast).error == ENOTSUP);
    CHECK(rig.run(Operation::cache, 1, 1).ok());
    CHECK(rig.run(Operation::flush, 0, 0).ok());
}

TEST_CASE("block status is told from the byte that was asked for") {
    Rig rig;
    rig.device.bytes()[8192] = std::byte{1};
    std::vector<block::Extent> room(8);
    block::Extents extents(room);
    Client::Call &call = rig.client.make(Operation::block_status, 100, 10000);
    call.request.extents = &extents;
    CHECK(rig.run(call).ok());
    const auto list = extents.list();
    REQUIRE(list.size() == 2);
    CHECK(list[0].length == 8192 - 100);
    CHECK(list[1].length == 10000 - (8192 - 100));
    CHECK(list[1].state == block::Extents::allocated);
}

TEST_CASE("an error ends the request and frees the block") {
    Rig rig;
    rig.device.verdict = [](const block::Request &) { return Status::path_error(EIO); };
    auto &first = rig.send(rig.client, rig.client.make(Operation::write, 1, 1));
    auto &second = rig.send(rig.other, rig.other.make(Operation::write, 2, 1));
    rig.scheduler.run();
    CHECK(first.status == Status::path_error(EIO));
    CHECK(second.status == Status::path_error(EIO));
}

TEST_CASE("what a lost client has waiting is dropped, and nobody waits for it") {
    Rig rig;
    rig.device.holding = true;
    auto &first = rig.send(rig.client, rig.client.make(Operation::write, 1, 1, std::byte{1}));
    auto &lost = rig.send(rig.other, rig.other.make(Operation::write, 2, 1, std::byte{2}));
    auto &last = rig.send(rig.client, rig.client.make(Operation::write, 3, 1, std::byte{3}));
    rig.layer.drop_waiting(rig.other);
    rig.scheduler.run();
    CHECK(lost.status == Status::target_error(ESHUTDOWN));
    CHECK_FALSE(last.status);
    rig.device.let_go();
    rig.scheduler.run();
    CHECK((first.status->ok() && last.status->ok()));
    CHECK(rig.device.bytes()[2] == std::byte{0});
}

TEST_CASE("more requests than there is memory for blocks all come to an end") {
    Rig rig;
    for (std::uint64_t i = 0; i < 2000; ++i)
        rig.send(rig.client, rig.client.make(i % 2 == 0 ? Operation::write : Operation::read, i * 500, 100,
                                             std::byte{7}));
    rig.scheduler.run();
    for (const auto &call : rig.client.calls)
        CHECK((call.status && call.status->ok()));
}

TEST_CASE("where blocks are bytes the layer is not there") {
    fakes::ManualScheduler scheduler;
    fakes::MemoryDevice device(scheduler, {.size = 1 << 20});
    nbd::ReadModifyWrite layer(scheduler, device);
    Client client;
    Client::Call &call = client.make(Operation::write, 1, 1);
    call.request.push(client, &call);
    layer.submit(call.request);
    scheduler.run();
    CHECK(device.submitted == 1);
    CHECK(call.status->ok());
}
