// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_watch.hpp"

#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <array>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

/// Two ends of a stream: one watched, one in the test's hand.
struct Pair {
    explicit Pair(io::Worker &worker) {
        std::array<int, 2> fds{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
        watch = io::FdWatch(worker, fds[0]);
        other = fds[1];
    }
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;
    ~Pair() { ::close(other); }
    void send() const { REQUIRE(::write(other, "x", 1) == 1); }
    void receive() const {
        char byte = 0;
        REQUIRE(::read(watch.fd(), &byte, 1) == 1);
    }

    io::FdWatch watch;
    int other = -1;
};

/// Counts calls and stops the worker at the wanted one.
struct Counter {
    Counter(io::Worker &loop, int stop_at)
        : worker(loop)
        , last(stop_at) {}
    void called() noexcept {
        if (++calls == last)
            worker.stop();
    }
    base::Delegate<> delegate() { return base::Delegate<>::to<&Counter::called>(*this); }

    io::Worker &worker;
    int last;
    int calls = 0;
};

/// Runs the loop until everything that is ready now has been handled.
void run_what_is_ready(io::Worker &worker) {
    worker.stop();
    worker.run();
}

} // namespace

TEST_CASE("a watched descriptor does not block") {
    io::Worker worker;
    const Pair pair(worker);
    CHECK((::fcntl(pair.watch.fd(), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("a wait for reading ends with one call") {
    io::Worker worker;
    Pair pair(worker);
    Counter counter(worker, 1);
    pair.watch.wait_read(counter.delegate());
    CHECK(pair.watch.waiting_read());
    pair.send();
    worker.run();
    CHECK_FALSE(pair.watch.waiting_read());
    run_what_is_ready(worker);
    CHECK(counter.calls == 1);
}

TEST_CASE("a wait that starts when there is something to read already ends too") {
    io::Worker worker;
    Pair pair(worker);
    Counter counter(worker, 1);
    pair.send();
    run_what_is_ready(worker);
    pair.watch.wait_read(counter.delegate());
    worker.run();
    CHECK(counter.calls == 1);
    // Still not read: the next wait ends as well.
    counter.last = 2;
    pair.watch.wait_read(counter.delegate());
    worker.run();
    CHECK(counter.calls == 2);
}

TEST_CASE("reading and writing are waited for at the same time") {
    io::Worker worker;
    Pair pair(worker);
    Counter read(worker, 1);
    Counter write(worker, 1);
    pair.watch.wait_read(read.delegate());
    pair.watch.wait_write(write.delegate());
    worker.run();
    CHECK(write.calls == 1);
    CHECK(read.calls == 0);
    pair.send();
    worker.run();
    CHECK(read.calls == 1);
}

TEST_CASE("a wait ends when the other end is closed") {
    io::Worker worker;
    Pair pair(worker);
    Counter counter(worker, 1);
    pair.watch.wait_read(counter.delegate());
    ::shutdown(pair.other, SHUT_RDWR);
    worker.run();
    CHECK(counter.calls == 1);
}

TEST_CASE("a cancelled wait is not called, the one after it is") {
    io::Worker worker;
    Pair pair(worker);
    Counter cancelled(worker, 1);
    Counter counter(worker, 1);
    pair.watch.wait_read(cancelled.delegate());
    pair.watch.cancel();
    pair.watch.wait_read(counter.delegate());
    pair.send();
    worker.run();
    CHECK(cancelled.calls == 0);
    CHECK(counter.calls == 1);
}

TEST_CASE("closing ends a wait without a call") {
    io::Worker worker;
    Pair pair(worker);
    Counter counter(worker, 1);
    pair.watch.wait_read(counter.delegate());
    pair.send();
    pair.watch.close();
    CHECK_FALSE(pair.watch.open());
    run_what_is_ready(worker);
    CHECK(counter.calls == 0);
}

TEST_CASE("a delegate may close its own watch") {
    io::Worker worker;
    Pair pair(worker);
    struct Closer {
        io::FdWatch &watch;
        io::Worker &worker;
        void ready() noexcept {
            watch.close();
            worker.stop();
        }
    } closer{pair.watch, worker};
    pair.watch.wait_read(base::Delegate<>::to<&Closer::ready>(closer));
    pair.send();
    worker.run();
    CHECK_FALSE(pair.watch.open());
}

TEST_CASE("a released descriptor stays open and is watched no more") {
    io::Worker worker;
    Pair pair(worker);
    Counter counter(worker, 1);
    pair.watch.wait_read(counter.delegate());
    const int fd = pair.watch.release();
    pair.send();
    run_what_is_ready(worker);
    CHECK(counter.calls == 0);
    char byte = 0;
    CHECK(::read(fd, &byte, 1) == 1);
    ::close(fd);
}

TEST_CASE("a watch that waits may end with or after its worker's loop") {
    io::Worker worker;
    Pair pair(worker);
    Counter counter(worker, 1);
    pair.watch.wait_read(counter.delegate());
    pair.watch.wait_write(counter.delegate());
}

TEST_CASE("a descriptor that stays readable does not keep the loop from stopping") {
    io::Worker worker;
    Pair pair(worker);
    pair.send();
    // Never reads what there is, and waits again.
    struct Rearming {
        io::FdWatch &watch;
        io::Worker &worker;
        int calls = 0;
        void called() noexcept {
            if (++calls == 10)
                worker.stop();
            watch.wait_read(base::Delegate<>::to<&Rearming::called>(*this));
        }
    } rearming{pair.watch, worker};
    pair.watch.wait_read(base::Delegate<>::to<&Rearming::called>(rearming));
    worker.run();
    CHECK(rearming.calls >= 10);
}
