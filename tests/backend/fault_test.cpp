// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fault.hpp"

#include "base/error.hpp"
#include "fakes/fake_backend.hpp"
#include "fakes/manual_scheduler.hpp"

#include <deque>
#include <doctest/doctest.h>

namespace {

using backend::parse_fault;
using block::Operation;
using block::Outcome;
using block::Status;
using namespace std::chrono_literals;

struct Call {
    block::Request request;
    Status status;
    int completions = 0;
    [[nodiscard]] bool lost() const { return completions == 1 && status == Status::path_lost(); }
    [[nodiscard]] bool ok() const { return completions == 1 && status.ok(); }
};

/// A path with faults over fake backends. The present one is `made.back()`; it is gone when it has closed.
struct Rig final : backend::Observer, block::Layer {
    explicit Rig(bool up = true) {
        if (!up)
            return;
        path.open(*this);
        made.back()->come_up();
    }
    ~Rig() { close(); }
    void close() {
        if (closed)
            return;
        path.close(base::Delegate<>::to<&Rig::is_closed>(*this));
        CHECK_FALSE(closed);
        CHECK(scheduler.run());
        CHECK(closed);
        CHECK(path.in_flight() == 0);
    }
    void inject(std::string_view words) { path.add_rule(parse_fault(words)); }
    Call &submit(std::uint64_t offset, Operation operation = Operation::read) {
        Call &call = calls.emplace_back();
        call.request.operation = operation;
        call.request.offset = offset;
        call.request.length = 512;
        call.request.push(*this, &call);
        path.submit(call.request);
        CHECK(call.completions == 0);
        return call;
    }
    Call &run(std::uint64_t offset, Operation operation = Operation::read) {
        Call &call = submit(offset, operation);
        scheduler.run();
        return call;
    }
    fakes::FakeBackend &real() { return *made.back(); }

    void path_up(backend::Backend &which) noexcept override {
        CHECK(&which == &path);
        heard.emplace_back("up");
    }
    void path_down(backend::Backend &which, std::string_view why) noexcept override {
        CHECK(&which == &path);
        heard.emplace_back(why);
    }
    void completed(block::Request &request, Status status) noexcept override {
        CHECK_FALSE(closed);
        Call &call = *static_cast<Call *>(request.popped());
        call.status = status;
        ++call.completions;
        ended.push_back(request.offset);
    }
    void is_closed() noexcept { closed = true; }

    fakes::ManualScheduler scheduler;
    std::vector<fakes::FakeBackend *> made;
    std::deque<Call> calls;
    std::vector<std::uint64_t> ended;
    std::vector<std::string> heard;
    bool closed = false;
    backend::FaultBackend path{scheduler, [this] {
                                   auto real = std::make_unique<fakes::FakeBackend>(scheduler);
                                   made.push_back(real.get());
                                   return real;
                               }};
};

using Offsets = std::vector<std::uint64_t>;
using Heard = std::vector<std::string>;
const std::string dropped = "dropped by fault injection";

} // namespace

TEST_CASE("fault: without rules the path is the real one") {
    Rig rig;
    CHECK(rig.heard == Heard{"up"});
    CHECK(rig.path.up());
    CHECK(rig.path.geometry() == rig.real().disk);
    CHECK(rig.run(1).ok());
    CHECK(rig.path.rules().empty());
    rig.real().go_down();
    CHECK(rig.heard == Heard{"up", "gone"});
    CHECK_FALSE(rig.path.up());
    CHECK(rig.path.generation() == 1);
    CHECK(rig.run(2).lost());
    CHECK(rig.real().offsets == Offsets{1, 2});
    rig.real().come_up();
    rig.real().go_down();
    CHECK(rig.heard == Heard{"up", "gone", "up", "gone"});
}

TEST_CASE("fault: an error is answered without the real path, until off") {
    Rig rig;
    rig.inject("error=target:ENOSPC op=write");
    const Call &write = rig.run(1, Operation::write);
    CHECK(write.completions == 1);
    CHECK(write.status == Status::target_error(ENOSPC));
    CHECK(rig.run(2).ok());
    CHECK(rig.real().offsets == Offsets{2});
    rig.path.remove_rules();
    CHECK(rig.run(3, Operation::write).ok());
}

TEST_CASE("fault: the first rule that takes a request decides, and the next does not count it") {
    Rig rig;
    rig.inject("error=EIO count=1");
    rig.inject("error=ENOSPC after=1");
    CHECK(rig.run(1).status.error == EIO);
    CHECK(rig.run(2).ok());
    CHECK(rig.run(3).status.error == ENOSPC);
    CHECK(rig.path.rules() ==
          Heard{"error=EIO count=1 used=1 waiting=0", "error=ENOSPC after=1 used=1 waiting=0"});
}

TEST_CASE("fault: what hangs goes on in its order when the rules go") {
    Rig rig;
    rig.inject("hang range=0+1K");
    rig.inject("hang range=3K+1K");
    const Offsets order{0, 3072, 512};
    for (const std::uint64_t offset : order)
        rig.submit(offset);
    CHECK(rig.run(2048).ok());
    rig.scheduler.advance(1h);
    CHECK(rig.path.in_flight() == 3);
    CHECK(rig.path.rules() == Heard{"hang range=0+1K used=2 waiting=2", "hang range=3K+1K used=1 waiting=1"});
    rig.path.remove_rules();
    rig.submit(1);
    CHECK(rig.real().offsets == Offsets{2048, 0, 3072, 512, 1});
    rig.scheduler.run();
    CHECK(rig.ended == Offsets{2048, 0, 3072, 512, 1});
    CHECK(rig.path.rules().empty());
}

TEST_CASE("fault: a delay comes before the path, or before an error") {
    Rig rig;
    rig.inject("delay=100ms op=read");
    rig.inject("error=EIO delay=50ms");
    Call &read = rig.submit(1);
    rig.scheduler.advance(10ms);
    Call &write = rig.submit(2, Operation::write);
    Call &second = rig.submit(3);
    rig.scheduler.advance(49ms);
    CHECK(write.completions == 0);
    rig.scheduler.advance(1ms);
    CHECK(write.completions == 1);
    CHECK(write.status == Status::path_error(EIO));
    CHECK(rig.real().offsets.empty());
    rig.scheduler.advance(40ms);
    CHECK(read.ok());
    CHECK(second.completions == 0);
    rig.scheduler.advance(10ms);
    CHECK(second.ok());
    CHECK(rig.real().offsets == Offsets{1, 3});
    CHECK(rig.scheduler.idle());
}

TEST_CASE("fault: off ends delays too, those of errors as well") {
    Rig rig;
    rig.inject("delay=1s error=EIO");
    const Call &call = rig.submit(1);
    rig.path.remove_rules();
    rig.scheduler.run();
    CHECK(call.ok());
    CHECK(rig.scheduler.idle());
}

TEST_CASE("fault: drop loses the connection now, with what hangs and what is in flight") {
    Rig rig;
    rig.real().holding = true;
    const Call &in_flight = rig.submit(1);
    rig.inject("hang");
    const Call &hanging = rig.submit(2);
    rig.inject("drop");
    CHECK(rig.heard == Heard{"up"});
    CHECK_FALSE(rig.path.up());
    CHECK(rig.path.generation() == 1);
    rig.scheduler.run();
    CHECK(rig.heard == Heard{"up", dropped});
    CHECK(in_flight.lost());
    CHECK(hanging.lost());
    CHECK(rig.run(3).lost());
    CHECK(rig.path.in_flight() == 0);
    CHECK(rig.made.size() == 1);
}

TEST_CASE("fault: a dropped connection comes back after off, as another one") {
    Rig rig;
    rig.real().losses = 5;
    rig.inject("drop");
    rig.scheduler.run();
    CHECK(rig.path.generation() == 6);
    rig.path.remove_rules();
    rig.scheduler.run();
    REQUIRE(rig.made.size() == 2);
    REQUIRE(rig.real().opened());
    CHECK(rig.run(1).lost());
    rig.real().disk.size = 4096;
    rig.real().come_up();
    CHECK(rig.heard == Heard{"up", dropped, "up"});
    CHECK(rig.path.geometry().size == 4096);
    CHECK(rig.path.generation() == 6);
    CHECK(rig.run(2).ok());
    rig.real().go_down();
    CHECK(rig.path.generation() == 7);
}

TEST_CASE("fault: a path that was dropped and cannot be reached after off is not told of twice") {
    Rig rig;
    rig.inject("drop");
    rig.scheduler.run();
    rig.path.remove_rules();
    rig.scheduler.run();
    rig.real().go_down();
    CHECK(rig.heard == Heard{"up", dropped});
    rig.real().come_up();
    CHECK(rig.heard.back() == "up");
}

TEST_CASE("fault: drop with filters waits for its request, which is lost with the connection") {
    Rig rig;
    rig.inject("drop op=write after=1");
    rig.real().holding = true;
    const Call &read = rig.submit(1);
    const Call &write = rig.submit(2, Operation::write);
    CHECK(rig.path.up());
    const Call &trigger = rig.submit(3, Operation::write);
    CHECK(rig.real().offsets == Offsets{1, 2});
    CHECK_FALSE(rig.path.up());
    CHECK(rig.heard == Heard{"up"});
    rig.scheduler.run();
    CHECK(rig.heard == Heard{"up", dropped});
    CHECK(read.lost());
    CHECK(write.lost());
    CHECK(trigger.lost());
    CHECK(rig.path.rules() == Heard{"drop op=write after=1 used=1 waiting=0"});
}

TEST_CASE("fault: off and drop again before the connection has ended") {
    Rig rig;
    rig.inject("drop");
    rig.path.remove_rules();
    rig.inject("drop");
    rig.scheduler.run();
    CHECK(rig.heard == Heard{"up", dropped});
    CHECK(rig.made.size() == 1);
    rig.path.remove_rules();
    rig.inject("error=EIO");
    rig.scheduler.run();
    REQUIRE(rig.made.size() == 2);
    rig.real().come_up();
    CHECK(rig.run(1).status.error == EIO);
}

TEST_CASE("fault: off before the dropped connection has ended connects when it has") {
    Rig rig;
    rig.real().closes_late = true;
    rig.inject("drop");
    rig.path.remove_rules();
    rig.scheduler.run();
    CHECK(rig.made.size() == 1);
    CHECK(rig.run(1).lost());
    rig.real().finish_closing();
    rig.scheduler.run();
    REQUIRE(rig.made.size() == 2);
    rig.real().come_up();
    CHECK(rig.heard == Heard{"up", dropped, "up"});
}

TEST_CASE("fault: a request that a file has carried out when it is dropped ends once, with its result") {
    Rig rig;
    rig.real().holding = true;
    rig.real().answer_at_close = Status::success();
    const Call &call = rig.submit(1);
    rig.inject("drop");
    rig.scheduler.run();
    CHECK(call.ok());
}

TEST_CASE("fault: a real loss ends what hangs, and rules take nothing while the path is down") {
    Rig rig;
    rig.inject("hang count=2");
    const Call &hanging = rig.submit(1);
    rig.real().go_down();
    rig.scheduler.run();
    CHECK(hanging.lost());
    CHECK(rig.run(2).lost());
    CHECK(rig.path.rules() == Heard{"hang count=2 used=1 waiting=0"});
    rig.real().come_up();
    rig.submit(3);
    CHECK(rig.path.rules() == Heard{"hang count=2 used=2 waiting=1"});
}

TEST_CASE("fault: rules before the path is opened; a dropped one is not opened until off") {
    Rig rig(false);
    rig.inject("drop");
    rig.path.open(rig);
    CHECK(rig.heard.empty());
    rig.scheduler.run();
    CHECK(rig.heard == Heard{dropped});
    CHECK(rig.run(1).lost());
    rig.path.remove_rules();
    rig.scheduler.run();
    REQUIRE(rig.made.size() == 2);
    rig.real().come_up();
    CHECK(rig.run(2).ok());
    CHECK(rig.heard == Heard{dropped, "up"});
}

TEST_CASE("fault: off before the path is opened leaves the opening to open") {
    Rig rig(false);
    rig.inject("drop");
    rig.scheduler.run();
    rig.path.remove_rules();
    rig.scheduler.run();
    REQUIRE(rig.made.size() == 2);
    CHECK_FALSE(rig.real().opened());
    rig.path.open(rig);
    CHECK(rig.real().opened());
}

TEST_CASE("fault: closing ends what hangs and what is delayed, before closed") {
    Rig rig;
    rig.inject("hang op=write");
    rig.inject("delay=1s");
    const Call &hanging = rig.submit(1, Operation::write);
    const Call &delayed = rig.submit(2);
    CHECK(rig.real().offsets.empty());
    rig.close();
    CHECK(hanging.lost());
    CHECK(delayed.lost());
    CHECK(rig.heard == Heard{"up"});
    CHECK(rig.scheduler.idle());
}

TEST_CASE("fault: a request that comes while the path closes is lost") {
    Rig rig;
    rig.real().holding = true;
    rig.submit(1);
    rig.path.close(base::Delegate<>::to<&Rig::is_closed>(rig));
    const Call &late = rig.submit(2);
    rig.scheduler.run();
    CHECK(late.lost());
    CHECK(rig.closed);
}

TEST_CASE("fault: a request that comes while a dropped path closes is lost before closed") {
    Rig rig;
    rig.inject("drop");
    rig.scheduler.run();
    rig.path.close(base::Delegate<>::to<&Rig::is_closed>(rig));
    const Call &late = rig.submit(1);
    rig.scheduler.run();
    CHECK(late.lost());
    CHECK(rig.closed);
}

TEST_CASE("fault: closing a path that is dropped, or about to be, or was never opened") {
    {
        Rig rig;
        rig.inject("drop");
        rig.close();
        CHECK(rig.heard == Heard{"up"});
    }
    {
        Rig rig;
        rig.inject("drop");
        rig.scheduler.run();
        rig.close();
    }
    {
        Rig rig;
        rig.inject("drop");
        rig.path.remove_rules();
        rig.close();
        CHECK(rig.made.size() == 1);
    }
    { const Rig rig(false); }
}

TEST_CASE("fault: there is a bound on rules, and one too many changes nothing") {
    Rig rig;
    for (int i = 0; i < 64; ++i)
        rig.inject("error=EIO op=trim");
    CHECK_THROWS_AS(rig.inject("error=EIO"), base::Error);
    CHECK(rig.path.rules().size() == 64);
    CHECK(rig.run(1).ok());
    rig.path.remove_rules();
    CHECK_NOTHROW(rig.inject("error=EIO"));
}
