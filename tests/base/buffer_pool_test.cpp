// SPDX-License-Identifier: BSD-3-Clause
#include "base/buffer_pool.hpp"

#include "fakes/manual_scheduler.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

namespace {

using base::BufferPool;

struct Waiter {
    void woken() noexcept { ++times; }
    int times = 0;
    base::Task task{base::Delegate<>::to<&Waiter::woken>(*this)};
};

} // namespace

TEST_CASE("buffers are page-aligned, at least as large as asked for, and rounded up to powers of two") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, std::size_t{256} << 20);
    for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{4097}, std::size_t{65536},
                                   std::size_t{65537}, BufferPool::largest}) {
        std::byte *buffer = pool.take(size);
        REQUIRE(buffer != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer) % 4096 == 0);
        CHECK(pool.used() >= size);
        CHECK(pool.used() < 2 * std::max<std::size_t>(size, 4096));
        std::memset(buffer, 1, size);
        pool.give_back(buffer, size);
        CHECK(pool.used() == 0);
    }
}

TEST_CASE("a buffer that was given back is handed out again") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, 1 << 20);
    std::byte *first = pool.take(5000);
    pool.give_back(first, 5000);
    std::byte *second = pool.take(8192); // the same class
    CHECK(second == first);
    pool.give_back(second, 8192);
}

TEST_CASE("who leaves some of the memory reaches the limit earlier") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, 16384);
    std::byte *first = pool.take(8192, 4096);
    REQUIRE(first != nullptr);
    CHECK(pool.take(8192, 4096) == nullptr);
    std::byte *second = pool.take(4096, 4096);
    REQUIRE(second != nullptr);
    CHECK(pool.take(4096, 4096) == nullptr);
    std::byte *last = pool.take(4096);
    CHECK(last != nullptr);
    pool.give_back(first, 8192);
    pool.give_back(second, 4096);
    pool.give_back(last, 4096);
}

TEST_CASE("the limit holds, but one buffer can always be had") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, 8192);
    std::byte *one = pool.take(4096);
    std::byte *two = pool.take(4096);
    REQUIRE(two != nullptr);
    CHECK(pool.take(1) == nullptr);
    pool.give_back(one, 4096);
    CHECK(pool.take(8192) == nullptr);
    pool.give_back(two, 4096);
    std::byte *large = pool.take(1 << 20);
    CHECK(large != nullptr);
    pool.give_back(large, 1 << 20);
}

TEST_CASE("who waits is woken once when a buffer comes back") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, 4096);
    Waiter waiter;
    std::byte *buffer = pool.take(4096);
    pool.wait(waiter.task);
    pool.wait(waiter.task);
    scheduler.run();
    CHECK(waiter.times == 0);
    pool.give_back(buffer, 4096);
    scheduler.run();
    CHECK(waiter.times == 1);
    buffer = pool.take(4096);
    pool.give_back(buffer, 4096);
    scheduler.run();
    CHECK(waiter.times == 1);
}

TEST_CASE("a waiter may end before it is woken, and a pool before its waiter") {
    fakes::ManualScheduler scheduler;
    Waiter longer_lived;
    BufferPool pool(scheduler, 4096);
    std::byte *buffer = pool.take(4096);
    {
        Waiter gone;
        pool.wait(gone.task);
    }
    pool.give_back(buffer, 4096);
    pool.wait(longer_lived.task);
    CHECK(scheduler.run());
}

TEST_CASE("what is set aside is half of the limit at most, and keeps nobody from the one buffer") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, 65536);
    std::byte *aside = pool.set_aside(32768);
    REQUIRE(aside != nullptr);
    CHECK(pool.set_aside(4096) == nullptr);
    std::byte *large = pool.take(65536);
    REQUIRE(large != nullptr);
    CHECK(pool.take(4096) == nullptr);
    CHECK_FALSE(pool.keep_aside(65536));
    pool.give_back(large, 65536);
    pool.give_back_aside(aside, 32768);
    CHECK(pool.used() == 0);
    std::byte *kept = pool.take(16384);
    CHECK(pool.keep_aside(16384));
    CHECK(pool.used() == 16384);
    CHECK(pool.set_aside(32768) == nullptr);
    pool.give_back_aside(kept, 16384);
    large = pool.take(65536);
    CHECK(pool.set_aside(4096) == nullptr);
    pool.give_back(large, 65536);
}

TEST_CASE("buffers that are kept count, and what must be had is had beyond the limit") {
    fakes::ManualScheduler scheduler;
    BufferPool pool(scheduler, 65536);
    std::byte *large = pool.take(65536);
    pool.give_back(large, 65536); // kept: it fits
    std::byte *small = pool.take(4096);
    REQUIRE(small != nullptr); // in its place
    CHECK(pool.used() == 4096);
    large = pool.take(32768);
    REQUIRE(large != nullptr);
    CHECK(pool.take(32768) == nullptr);
    std::byte *beyond = pool.take_anyway(32768);
    REQUIRE(beyond != nullptr);
    CHECK(pool.used() == 69632);
    CHECK(pool.take(1) == nullptr);
    pool.give_back(beyond, 32768);
    pool.give_back(large, 32768);
    pool.give_back(small, 4096);
    CHECK(pool.used() == 0);
}
