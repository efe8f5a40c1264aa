// SPDX-License-Identifier: BSD-3-Clause
#include "io/answer_groups.hpp"

#include "fakes/manual_scheduler.hpp"
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

using namespace std::chrono_literals;

constexpr std::size_t size = 1000; // of an answer
constexpr auto fast = 10us;        // from answer to answer
constexpr auto slow = 200us;

/// A connection over TCP: the groups' end, and the peer's in the test's hand.
class Connection {
public:
    Connection()
        : groups(scheduler) {
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
    /// The peer answers what is sent for a while.
    void measure(base::Duration pause = fast) {
        for (base::Duration time{}; time <= AnswerGroups::measured_time; time += pause) {
            groups.sent(size, false);
            scheduler.advance(pause);
            groups.heard();
            groups.answered(size, false);
        }
        groups.settle();
    }
    [[nodiscard]] int fd() const noexcept { return ours_; }
    void answer() const {
        const std::vector<char> bytes(size);
        REQUIRE(::write(peer_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] bool told(int patience) const {
        pollfd socket{.fd = ours_, .events = POLLIN, .revents = 0};
        return ::poll(&socket, 1, patience) == 1;
    }

    fakes::ManualScheduler scheduler;
    AnswerGroups groups;

private:
    int ours_ = -1;
    int peer_ = -1;
};

constexpr int long_time = 10000;
constexpr int short_time = 20;

} // namespace

TEST_CASE("with few requests under way each answer is told") {
    Connection connection;
    connection.measure();
    connection.send_requests(AnswerGroups::fewest - 1);
    CHECK(connection.groups.threshold() == 1);
    connection.answer();
    CHECK(connection.told(long_time));
}

TEST_CASE("with many under way a few answers are waited for") {
    Connection connection;
    connection.measure();
    connection.send_requests(AnswerGroups::fewest);
    REQUIRE(connection.groups.threshold() == AnswerGroups::fewest * size / AnswerGroups::divisor);
    connection.answer();
    CHECK_FALSE(connection.told(short_time));
    connection.answer();
    CHECK(connection.told(long_time));
}

TEST_CASE("of a slow peer each answer is told") {
    Connection connection;
    connection.send_requests(64);
    CHECK(connection.groups.threshold() == 1);
    connection.measure(slow);
    CHECK(connection.groups.threshold() == 1);
    connection.measure();
    CHECK(connection.groups.threshold() > 1);
    connection.measure(slow);
    CHECK(connection.groups.threshold() == 1);
}

TEST_CASE("more is never waited for than what is under way has to give") {
    Connection connection;
    connection.measure();
    connection.send_requests(64);
    CHECK(connection.groups.threshold() > 1);
    for (std::size_t left = 63; left > 0; --left) {
        connection.groups.answered(size, false);
        connection.groups.settle();
        CHECK(connection.groups.threshold() <= left * size);
    }
    CHECK(connection.groups.threshold() == 1);
}

TEST_CASE("while their number goes up and down the threshold stays") {
    Connection connection;
    connection.measure();
    connection.send_requests(16);
    const std::size_t threshold = connection.groups.threshold();
    REQUIRE(threshold > 1);
    for (int i = 0; i < 6; ++i) {
        connection.groups.answered(size, false);
        connection.groups.settle();
        CHECK(connection.groups.threshold() == threshold);
    }
    connection.send_requests(6);
    CHECK(connection.groups.threshold() == threshold);
}

TEST_CASE("an urgent request among them: each answer is told") {
    Connection connection;
    connection.measure();
    connection.send_requests(16);
    CHECK(connection.groups.threshold() > 1);
    connection.send_requests(1, true);
    CHECK(connection.groups.threshold() == 1);
    connection.groups.answered(size, true);
    connection.groups.settle();
    CHECK(connection.groups.threshold() > 1);
}

TEST_CASE("an answer that nobody follows is told soon, and groups pause") {
    Connection connection;
    connection.measure();
    connection.send_requests(16);
    connection.answer();
    CHECK_FALSE(connection.told(short_time));
    connection.scheduler.advance(AnswerGroups::longest_wait);
    CHECK(connection.told(long_time));
    connection.measure();
    CHECK(connection.groups.threshold() == 1);
    connection.scheduler.advance(AnswerGroups::shortest_pause);
    connection.measure(); // of the pause
    connection.measure();
    CHECK(connection.groups.threshold() > 1);
}

TEST_CASE("a peer that takes its time is no reason for a pause") {
    Connection connection;
    connection.measure();
    connection.send_requests(16);
    CHECK(connection.groups.threshold() > 1);
    connection.scheduler.advance(AnswerGroups::longest_wait);
    CHECK(connection.groups.threshold() == 1);
    connection.measure(); // of the silence
    connection.measure();
    CHECK(connection.groups.threshold() > 1);
}

TEST_CASE("a watched connection is told of what the threshold kept back") {
    io::Worker worker;
    Connection connection;
    connection.measure();
    connection.send_requests(16);
    const int duplicate = ::dup(connection.fd());
    REQUIRE(duplicate >= 0);
    io::FdWatch watch(worker, duplicate);
    struct Reader {
        void readable() noexcept { worker.stop(); }
        io::Worker &worker;
    } reader{worker};
    watch.wait_read(base::Delegate<>::to<&Reader::readable>(reader));
    connection.answer();
    worker.stop();
    worker.run();
    CHECK(watch.waiting_read());
    connection.scheduler.advance(AnswerGroups::longest_wait);
    worker.run(); // until it is told
    CHECK_FALSE(watch.waiting_read());
}

TEST_CASE("after the end what is there is told") {
    Connection connection;
    connection.measure();
    connection.send_requests(16);
    connection.answer();
    CHECK_FALSE(connection.told(short_time));
    connection.groups.stop();
    CHECK(connection.told(long_time));
}
