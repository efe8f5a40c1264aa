// SPDX-License-Identifier: BSD-3-Clause
#include "command/command.hpp"

#include "fakes/fake_maps.hpp"

#include <doctest/doctest.h>

namespace {

struct Session final : command::Reply {
    explicit Session(fakes::FakeMaps &all)
        : maps(all) {}
    ~Session() {
        if (call)
            call->cancel();
    }
    void line(std::string_view text) override { lines.emplace_back(text); }
    void finished() override { ended = true; }
    void hang_up() override {}
    void start(std::vector<std::string> words) {
        call = std::make_shared<command::Call>(std::move(words), "test", *this);
        command::run(call, maps);
    }

    fakes::FakeMaps &maps;
    command::CallPointer call;
    std::vector<std::string> lines;
    bool ended = false;
};

using Lines = std::vector<std::string>;
const std::string status = "0 2048 multipath 2 0 0 0 1 1 A 0 1 0 a1 A 0 ";

} // namespace

TEST_CASE("wait without a number replies with status at the next counted event of its map") {
    fakes::FakeMaps maps;
    maps.add("a").state.event_number = 5;
    maps.add("b");
    Session session(maps);
    session.start({"wait", "a"});
    CHECK(session.call->waiting());
    maps.happen("b", "PATH_FAILED", "path=b1");
    maps.happen("a", "QUEUEING", "on", false);
    CHECK(session.lines.empty());
    maps.happen("a", "PATH_FAILED", "path=a1");
    CHECK(session.lines == Lines{status, "OK"});
    maps.happen("a", "PATH_FAILED", "path=a1");
    CHECK(session.lines.size() == 2);
}

TEST_CASE("wait replies at once when the number differs, whether it is smaller or greater") {
    fakes::FakeMaps maps;
    maps.add("a").state.event_number = 5;
    for (const char *number : {"4", "6", "0"}) {
        Session session(maps);
        session.start({"wait", "a", number});
        CHECK(session.lines == Lines{status, "OK"});
    }
    Session session(maps);
    session.start({"wait", "a", "5"});
    CHECK_FALSE(session.ended);
    maps.happen("a", "PG_SWITCH", "pg=1");
    CHECK(session.ended);
}

TEST_CASE("wait takes a decimal number only") {
    fakes::FakeMaps maps;
    maps.add("a");
    for (const char *number : {"x", "-1", "1x", "0x1"}) {
        Session session(maps);
        session.start({"wait", "a", number});
        CHECK(session.lines == Lines{fmt::format("ERR EINVAL '{}' is not an event number", number)});
    }
}

TEST_CASE("wait misses no event that happens while its step is away") {
    fakes::FakeMaps maps;
    maps.add("a");
    maps.away = true;
    Session session(maps);
    session.start({"wait", "a", "1"});
    maps.happen("a", "PATH_FAILED", "path=a1"); // 1: seen by the step as well
    maps.run();
    CHECK_FALSE(session.ended);
    maps.happen("a", "PATH_REINSTATED", "path=a1");
    maps.happen("a", "PATH_FAILED", "path=a1");
    maps.run();
    CHECK(session.lines == Lines{status, "OK"});
}

TEST_CASE("wait on a map that is removed ends with ENXIO") {
    fakes::FakeMaps maps;
    maps.add("a");
    maps.away = true;
    Session session(maps);
    session.start({"wait", "a"});
    maps.run();
    maps.happen("a", "REMOVED", "");
    maps.remove("a");
    maps.run();
    CHECK(session.lines == Lines{"ERR ENXIO there is no map 'a'"});
}

TEST_CASE("a cancelled wait hears nothing any more") {
    fakes::FakeMaps maps;
    maps.add("a");
    Session session(maps);
    session.start({"wait", "a"});
    session.call->cancel();
    maps.happen("a", "PATH_FAILED", "path=a1");
    CHECK(session.lines.empty());
    CHECK_FALSE(session.ended);
}

TEST_CASE("events prints every event of one map or of all, and has no end") {
    fakes::FakeMaps maps;
    maps.add("a");
    maps.add("b");
    Session all(maps);
    Session one(maps);
    all.start({"events"});
    one.start({"events", "b"});
    maps.happen("a", "PATH_FAILED", "path=a1 nr_valid=0 seq=1");
    maps.happen("b", "NO_PATH_TIMEOUT", "", false);
    CHECK(all.lines == Lines{"EVENT a 1 PATH_FAILED path=a1 nr_valid=0 seq=1", "EVENT b 0 NO_PATH_TIMEOUT"});
    CHECK(one.lines == Lines{"EVENT b 0 NO_PATH_TIMEOUT"});
    CHECK_FALSE(all.ended);
}

TEST_CASE("a subscription may end itself and others while an event is delivered") {
    fakes::FakeMaps maps;
    maps.add("a");
    struct Ender {
        std::unique_ptr<command::EventFeed::Subscription> own, other;
        int heard = 0;
        void hear(std::string_view, const multipath::Event &) {
            ++heard;
            other.reset();
            own.reset();
        }
    };
    Ender first;
    Ender second;
    using Subscription = command::EventFeed::Subscription;
    using Listener = command::EventFeed::Listener;
    first.own = std::make_unique<Subscription>(maps.events(), "", Listener::to<&Ender::hear>(first));
    first.other = std::make_unique<Subscription>(maps.events(), "", Listener::to<&Ender::hear>(second));
    maps.happen("a", "PATH_FAILED", "");
    maps.happen("a", "PATH_FAILED", "");
    CHECK(first.heard == 1);
    CHECK(second.heard == 0);
}
