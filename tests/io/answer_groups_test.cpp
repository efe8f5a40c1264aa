// SPDX-License-Identifier: BSD-3-Clause
#include "io/answer_groups.hpp"

#include "io/fd_watch.hpp"
#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using io::AnswerGroups;

namespace {

constexpr std::size_t size = 1000; // of an answer

/// A connection over TCP: the groups' end, and the peer's in the test's hand.
class Connection {
public:
    explicit Connection(io::Worker &worker)
        : groups(worker) {
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto *generic = reinterpret_cast<sockaddr *>(&address);
        REQUIRE(::bind(listener, generic, length) == 0);
        REQUIRE(::listen(listener, 1) == 0);
        REQUIRE(::getsockname(listener, generic, &length) == 0);
        ours_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(::connect(ours_, generic, length) == 0);
        peer_ = ::accept(listener, nullptr, nullptr);
        REQUIRE(peer_ >= 0);
        ::close(listener);
        groups.start(ours_);
    }
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;
    ~Connection() {
        groups.stop();
        ::close(ours_);
        ::close(peer_);
    }

    void send_requests(int count, bool urgent = false) {
        for (int i = 0; i < count; ++i)
            groups.sent(size, urgent);
        groups.settle();
    }
    void answer(int count = 1) const {
        const std::vector<char> bytes(size * static_cast<std::size_t>(count));
        REQUIRE(::write(peer_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] bool told(int patience) const {
        pollfd socket{.fd = ours_, .events = POLLIN, .revents = 0};
        return ::poll(&socket, 1, patience) == 1;
    }
    [[nodiscard]] int duplicate() const { return ::dup(ours_); }

    AnswerGroups groups;

private:
    int ours_ = -1;
    int peer_ = -1;
};

constexpr int long_time = 10000;
constexpr int short_time = 20;

} // namespace

TEST_CASE("with few requests under way each answer is told") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(AnswerGroups::fewest - 1);
    CHECK(connection.groups.threshold() == 1);
    connection.answer();
    CHECK(connection.told(long_time));
}

TEST_CASE("with many under way a few answers are waited for") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(AnswerGroups::fewest);
    REQUIRE(connection.groups.threshold() == AnswerGroups::fewest * size / AnswerGroups::divisor);
    connection.answer();
    CHECK_FALSE(connection.told(short_time));
    connection.answer();
    CHECK(connection.told(long_time));
}

TEST_CASE("more is never waited for than what is under way has to give") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(64);
    for (int left = 64; left > 0; --left) {
        CHECK(connection.groups.threshold() <= static_cast<std::size_t>(left) * size);
        connection.groups.answered(size, false);
        connection.groups.settle();
    }
    CHECK(connection.groups.threshold() == 1);
}

TEST_CASE("an urgent request among them: each answer is told") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(16);
    CHECK(connection.groups.threshold() > 1);
    connection.send_requests(1, true);
    CHECK(connection.groups.threshold() == 1);
    connection.groups.answered(size, true);
    connection.groups.settle();
    CHECK(connection.groups.threshold() > 1);
}

TEST_CASE("an answer that nobody follows is told soon, and groups pause") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(16);
    io::FdWatch watch(worker, connection.duplicate());
    struct Reader {
        void readable() noexcept { worker.stop(); }
        io::Worker &worker;
    } reader{worker};
    watch.wait_read(base::Delegate<>::to<&Reader::readable>(reader));
    connection.answer();
    worker.run();
    CHECK(connection.groups.threshold() == 1);
    connection.groups.settle();
    CHECK(connection.groups.threshold() == 1);
}

TEST_CASE("a peer that takes its time is no reason for a pause") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(16);
    struct Clock {
        void look() noexcept {
            if (groups.threshold() == 1)
                worker.stop();
            else
                timer->start_in(AnswerGroups::longest_wait);
        }
        io::Worker &worker;
        AnswerGroups &groups;
        base::Timer *timer = nullptr;
    } clock{worker, connection.groups};
    base::Timer timer(worker, base::Delegate<>::to<&Clock::look>(clock));
    clock.timer = &timer;
    timer.start_in(AnswerGroups::longest_wait);
    worker.run();
    connection.groups.settle();
    CHECK(connection.groups.threshold() > 1);
}

TEST_CASE("after the end what is there is told") {
    io::Worker worker;
    Connection connection(worker);
    connection.send_requests(16);
    connection.answer();
    CHECK_FALSE(connection.told(short_time));
    connection.groups.stop();
    CHECK(connection.told(long_time));
}
