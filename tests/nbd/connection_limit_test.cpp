// SPDX-License-Identifier: BSD-3-Clause
#include "io/worker.hpp"
#include "nbd/connection_limit.hpp"
#include "nbd/exports.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

using Slot = nbd::ConnectionLimit::Slot;
using Access = nbd::ExportPolicy::Access;

namespace {

/// A limit on a worker whose loop is turned by hand.
struct Fixture {
    io::Worker worker;
    int freed = 0;
    std::shared_ptr<nbd::ConnectionLimit> limit =
        std::make_shared<nbd::ConnectionLimit>(worker, 3, base::Delegate<>::to<&Fixture::one_is_free>(*this));

    void one_is_free() noexcept { ++freed; }
    void turn() { worker.context().poll(); }
};

nbd::Client client(std::uint64_t number, std::uint32_t pid) {
    return {.number = number, .address = base::Address::numbered(base::Address::Kind::unix_socket, pid)};
}

} // namespace

TEST_CASE("a connection's place is free when its slot has ended, whoever ends it") {
    Fixture fixture;
    auto first = std::make_unique<Slot>(fixture.limit->take());
    {
        const Slot second = fixture.limit->take();
        const Slot third = fixture.limit->take();
        CHECK(fixture.limit->full());
    }
    CHECK(fixture.limit->full());
    fixture.turn();
    CHECK(fixture.limit->used() == 1);
    CHECK(fixture.freed == 2);
    first.reset();
    fixture.turn();
    CHECK(fixture.limit->used() == 0);
}

TEST_CASE("an export takes as many clients as it may have") {
    Fixture fixture;
    const nbd::ExportInfo info{.name = "disk", .policy = {.max_clients = 1}};
    const nbd::ExportInfo other{.name = "other"};
    auto first = std::make_unique<Slot>(fixture.limit->take());
    Slot second = fixture.limit->take();
    CHECK(fixture.limit->enter(*first, info, client(1, 10)).empty());
    CHECK_FALSE(fixture.limit->enter(second, info, client(2, 10)).empty());
    CHECK(fixture.limit->enter(second, other, client(2, 10)).empty());
    first.reset();
    fixture.turn();
    Slot third = fixture.limit->take();
    CHECK(fixture.limit->enter(third, info, client(3, 11)).empty());
}

TEST_CASE("an exclusive export is one client's, over several connections") {
    Fixture fixture;
    const nbd::ExportInfo info{.name = "disk", .policy = {.access = Access::exclusive}};
    auto first = std::make_unique<Slot>(fixture.limit->take());
    auto second = std::make_unique<Slot>(fixture.limit->take());
    Slot stranger = fixture.limit->take();
    CHECK(fixture.limit->enter(*first, info, client(1, 10)).empty());
    CHECK(fixture.limit->enter(*second, info, client(2, 10)).empty());
    CHECK_FALSE(fixture.limit->enter(stranger, info, client(3, 11)).empty());
    first.reset();
    fixture.turn();
    CHECK_FALSE(fixture.limit->enter(stranger, info, client(3, 11)).empty());
    second.reset();
    fixture.turn();
    CHECK(fixture.limit->enter(stranger, info, client(3, 11)).empty());
}
