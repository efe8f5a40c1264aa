// SPDX-License-Identifier: BSD-3-Clause
#include "backend/backlog.hpp"

#include "fakes/manual_scheduler.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace std::chrono_literals;

namespace {

class Job : public base::ListHook {
public:
    Job(block::Request &request, base::TimePoint deadline)
        : request_(request)
        , deadline_(deadline) {}
    [[nodiscard]] block::Request &request() const noexcept { return request_; }
    [[nodiscard]] base::TimePoint deadline() const noexcept { return deadline_; }

private:
    block::Request &request_;
    base::TimePoint deadline_;
};

struct Dropped {
    block::Request *request;
    bool was_sent;
    int error;
    bool operator==(const Dropped &) const = default;
};

struct Rig {
    fakes::ManualScheduler scheduler;
    int alarms = 0;
    std::vector<base::TimePoint> overdue_at;
    std::array<block::Request, 4> requests;
    backend::Backlog<Job> backlog{scheduler, {2, 10s}, base::Delegate<>::to<&Rig::rings>(*this)};

    ~Rig() { (void)drop(); }
    void rings() {
        ++alarms;
        if (backlog.is_overdue())
            overdue_at.push_back(scheduler.now());
    }
    std::vector<Dropped> drop() {
        std::vector<Dropped> all;
        backlog.drop_all([&](block::Request &request, bool was_sent, int error) {
            all.push_back({&request, was_sent, error});
        });
        return all;
    }
};

} // namespace

TEST_CASE("no more jobs are sent at the same time than may be, in the order of acceptance") {
    Rig rig;
    CHECK(rig.backlog.next() == nullptr);
    for (block::Request &request : rig.requests)
        rig.backlog.accept(request);
    CHECK(rig.backlog.size() == 4);
    Job *first = rig.backlog.next();
    Job *second = rig.backlog.next();
    REQUIRE(first != nullptr);
    REQUIRE(second != nullptr);
    CHECK(&first->request() == &rig.requests[0]);
    CHECK(&second->request() == &rig.requests[1]);
    CHECK(rig.backlog.next() == nullptr);
    CHECK(&rig.backlog.finish(*second) == &rig.requests[1]);
    CHECK(rig.backlog.size() == 3);
    CHECK(rig.backlog.sent() == 1);
    Job *third = rig.backlog.next();
    REQUIRE(third != nullptr);
    CHECK(&third->request() == &rig.requests[2]);
}

TEST_CASE("what is dropped comes back in the order of acceptance, with what became of it") {
    Rig rig;
    rig.backlog.accept(rig.requests[0]);
    rig.scheduler.advance(4s);
    for (std::size_t i = 1; i < 4; ++i)
        rig.backlog.accept(rig.requests[i]);
    REQUIRE(rig.backlog.next() != nullptr);
    REQUIRE(rig.backlog.next() != nullptr);
    rig.scheduler.advance(6s);
    const std::vector<Dropped> expected{{&rig.requests[0], true, ETIMEDOUT},
                                        {&rig.requests[1], true, ENOTCONN},
                                        {&rig.requests[2], false, ENOTCONN},
                                        {&rig.requests[3], false, ENOTCONN}};
    CHECK(rig.drop() == expected);
    CHECK(rig.backlog.size() == 0);
    CHECK(rig.backlog.sent() == 0);
    CHECK(rig.scheduler.idle());
    rig.backlog.accept(rig.requests[3]); // it goes on as if new
    CHECK(rig.backlog.next() != nullptr);
}

TEST_CASE("the alarm rings for the first request that is not finished, sent or not") {
    Rig rig;
    rig.backlog.accept(rig.requests[0]);
    rig.scheduler.advance(3s);
    rig.backlog.accept(rig.requests[1]);
    const base::TimePoint due = rig.scheduler.now() + 10s;
    Job *first = rig.backlog.next();
    REQUIRE(first != nullptr);
    rig.backlog.finish(*first);
    rig.scheduler.advance(9s);
    CHECK(rig.alarms == 1); // it was set for the first, and is set anew
    CHECK(rig.overdue_at.empty());
    rig.scheduler.advance(1s);
    CHECK(rig.overdue_at == std::vector{due});
}

TEST_CASE("with nothing to wait for the alarm stays silent until something comes") {
    Rig rig;
    rig.backlog.accept(rig.requests[0]);
    Job *job = rig.backlog.next();
    REQUIRE(job != nullptr);
    rig.backlog.finish(*job);
    rig.scheduler.advance(60s);
    CHECK(rig.alarms == 1);
    CHECK(rig.scheduler.idle());
    rig.backlog.accept(rig.requests[1]);
    rig.scheduler.advance(10s);
    CHECK(rig.overdue_at.size() == 1);
}
