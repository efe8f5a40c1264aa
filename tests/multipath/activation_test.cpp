// SPDX-License-Identifier: BSD-3-Clause
// Hardware-handler rounds (semantics reference 2.12, 2.13, R6 to R11, R28; scenario 24).
#include "fakes/scripted_handler.hpp"
#include "gate_rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using handler::Result;

namespace {

const std::string groups_of_T4 = "2 1 round-robin 0 2 1 P1 1 P2 1 round-robin 0 2 1 P3 1 P4 1";
const std::string handled = "3 pg_init_retries 3 queue_if_no_path 2 scripted 1 " + groups_of_T4;

class HandlerRig : public fakes::HandlerScript, public GateRig {
public:
    explicit HandlerRig(const std::string &text = handled, const multipath::Compat &compat = multipath::seed)
        : GateRig(text, {.rules = {&compat, &fakes::HandlerScript::find}}) {}
    ~HandlerRig() {
        scheduler.run();
        map.shut_down();
        answer_all(Result::ok);
        scheduler.run();
    }
    void say(Result result) {
        answer(result);
        scheduler.run();
    }
    void say_all(Result result) {
        answer_all(result);
        scheduler.run();
    }
    /// "1 2": the paths that were activated since the last call.
    std::string rounds() {
        std::string text;
        for (const block::Device *device : activated)
            text +=
                (text.empty() ? "" : " ") + static_cast<const fakes::FakeDevice *>(device)->name().substr(1);
        activated.clear();
        return text;
    }
};

} // namespace

TEST_CASE("scenario 24: a group is activated over all its paths before its first request") {
    for (const multipath::Compat *compat : {&multipath::seed, &multipath::kernel}) {
        HandlerRig rig(handled, *compat);
        CHECK(rig.table() == "3 queue_if_no_path pg_init_retries 3 1 scripted " + groups_of_T4);
        CHECK(rig.parameters == std::vector<std::string>{"1"});
        rig.io_and(1);
        CHECK(rig.results_since(0) == "pending");
        CHECK(rig.rounds() == "1 2");
        rig.say(Result::ok);
        CHECK(rig.results_since(0) == "pending");
        rig.say(Result::ok);
        CHECK(rig.results_since(0) == "ok");
        CHECK(rig.status() == "2 0 1 0 2 1 A 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
        CHECK(rig.order() == "2"); // P1 was chosen for the activation (Q8)
        rig.message("switch_group 2");
        CHECK(rig.status() == "2 0 1 0 2 2 E 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
        CHECK(rig.rounds().empty());
        rig.io_and(1);
        CHECK(rig.rounds() == "3 4");
        rig.say_all(Result::ok);
        CHECK(rig.order() == "4");
        CHECK(rig.status() == "2 0 1 0 2 2 E 0 2 0 P1 A 0 P2 A 0 A 0 2 0 P3 A 0 P4 A 0");
    }
}

TEST_CASE("scenario 24: pass-through before any request activates, and works later") {
    HandlerRig rig;
    int error = 0;
    CHECK(rig.map.device_for_passing(error) == nullptr);
    CHECK(error == EAGAIN);
    CHECK(rig.rounds() == "1 2");
    rig.say_all(Result::ok);
    CHECK(rig.map.device_for_passing(error) == &rig.device("P1"));
    CHECK(rig.status().substr(0, 14) == "2 0 1 0 2 1 A ");
}

TEST_CASE("scenario 24: a path that the handler lets send nothing fails at its first request") {
    HandlerRig rig;
    rig.message("switch_group 2");
    rig.lets_send = [&rig](const block::Device &device) { return &device != &rig.device("P3"); };
    rig.io_and(2);
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok ok");
    CHECK(rig.order() == "4 4");
    CHECK(rig.status() == "2 0 1 0 2 2 E 0 2 0 P1 A 0 P2 A 0 A 0 2 0 P3 F 1 P4 A 0");
}

TEST_CASE("RETRY begins another round after pg_init_delay_msecs, IMM_RETRY at once") {
    HandlerRig rig("4 pg_init_retries 3 pg_init_delay_msecs 500 1 scripted " + groups_of_T4);
    rig.io_and(1);
    CHECK(rig.rounds() == "1 2");
    rig.say(Result::retry);
    rig.say(Result::ok);
    CHECK(rig.rounds().empty());
    rig.scheduler.advance(499ms);
    CHECK(rig.rounds().empty());
    rig.scheduler.advance(1ms);
    CHECK(rig.rounds() == "1 2");
    CHECK(rig.status().substr(0, 8) == "2 1 2 0 ");
    rig.say(Result::immediate_retry);
    rig.say(Result::resource_unavailable);
    CHECK(rig.rounds() == "1 2");
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status().substr(0, 8) == "2 0 3 0 ");
}

TEST_CASE("without pg_init_delay_msecs a RETRY waits two seconds") {
    HandlerRig rig;
    rig.io_and(1);
    rig.rounds();
    rig.say_all(Result::retry);
    rig.scheduler.advance(1999ms);
    CHECK(rig.rounds().empty());
    rig.scheduler.advance(1ms);
    CHECK(rig.rounds() == "1 2");
    rig.say_all(Result::ok);
}

TEST_CASE("pg_init_retries bounds the rounds, then paths that still want one fail") {
    HandlerRig rig("2 pg_init_retries 2 1 scripted " + groups_of_T4);
    rig.io_and(1);
    for (int round = 0; round < 3; ++round) {
        CHECK(rig.rounds() == "1 2");
        rig.say(Result::immediate_retry);
        rig.say(Result::immediate_retry);
    }
    CHECK(rig.rounds() == "3 4");
    CHECK(rig.status().substr(12) == "E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("without pg_init_retries a single RETRY fails the path") {
    HandlerRig rig("0 1 scripted " + groups_of_T4);
    rig.io_and(1);
    rig.rounds();
    rig.say(Result::retry);
    rig.say(Result::ok);
    CHECK(rig.rounds().empty());
    CHECK(rig.status().substr(12, 22) == "A 0 2 0 P1 F 1 P2 A 0 ");
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.order() == "2");
}

TEST_CASE("every other failure fails the path, its number in the log") {
    for (const Result result :
         {Result::device_failed, Result::unsupported, Result::not_connected, Result::connection_failure,
          Result::io_error, Result::invalid_io, Result::timed_out, Result::offlined, Result::no_system}) {
        HandlerRig rig;
        rig.message("switch_group 2");
        rig.io_and(1);
        rig.say(Result::ok);
        rig.say(result);
        CHECK(rig.told("PATH_FAILED path=P4 nr_valid=3 seq=1") == 1);
        CHECK(rig.warnings.size() == 1);
        CHECK(rig.warnings[0].find(std::to_string(static_cast<int>(result))) != std::string::npos);
        CHECK(rig.results_since(0) == "ok");
        CHECK(rig.order() == "3");
    }
}

TEST_CASE("a busy group is bypassed and the next one activated") {
    HandlerRig rig;
    rig.io_and(1);
    rig.new_events();
    rig.say(Result::temporarily_busy);
    rig.say(Result::temporarily_busy);
    CHECK(rig.told("PG_DISABLED pg=1") == 2);
    CHECK(rig.new_events() == 2);
    rig.rounds();
    CHECK(rig.waiting.size() == 2);
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.order() == "4");
    CHECK(rig.status().substr(12) == "D 0 2 0 P1 A 0 P2 A 0 A 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("when every group is busy the next attempt waits") {
    HandlerRig rig;
    rig.io_and(1);
    for (int group = 0; group < 2; ++group) {
        rig.say(Result::temporarily_busy);
        rig.say(Result::temporarily_busy);
    }
    CHECK(rig.waiting.empty());
    rig.scheduler.advance(2s);
    CHECK(rig.waiting.size() == 2);
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok");
    // A successful activation enables its group again.
    CHECK(rig.status().substr(12, 2) == "A ");
}

TEST_CASE("a path that comes back into the current group is activated") {
    HandlerRig rig;
    rig.io_and(1);
    rig.say_all(Result::ok);
    rig.message("fail_path P1");
    rig.rounds();
    rig.message("reinstate_path P1");
    CHECK(rig.rounds() == "1");
    // Meanwhile the group goes on.
    CHECK(rig.io(1) == "ok");
    rig.say(Result::io_error);
    CHECK(rig.status().find("P1 F 2") != std::string::npos);
    rig.message("reinstate_path P3");
    CHECK(rig.rounds().empty());
}

TEST_CASE("a group that is chosen while another is being activated has its round afterwards") {
    HandlerRig rig;
    rig.io_and(1);
    CHECK(rig.rounds() == "1 2");
    rig.message("switch_group 2");
    rig.io_and(1);
    CHECK(rig.rounds().empty());
    rig.say_all(Result::ok);
    CHECK(rig.rounds() == "3 4");
    CHECK(rig.results_since(0) == "pending pending");
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok ok");
}

TEST_CASE("a group that is taken away before its round begins leaves nobody waiting") {
    for (const multipath::Compat *compat : {&multipath::seed, &multipath::kernel}) {
        for (const std::vector<std::string> &words :
             {std::vector<std::string>{"disable_group", "1"}, {"fail_path", "P1"}}) {
            HandlerRig rig("0 1 scripted 2 1 round-robin 0 1 1 P1 1 round-robin 0 1 1 P2 1", *compat);
            rig.submit(1);
            rig.map.message(words);
            rig.scheduler.run();
            CHECK(rig.rounds() == "2");
            rig.say_all(Result::ok);
            CHECK(rig.results_since(0) == "ok");
        }
    }
}

TEST_CASE("paths that fail during the delay count as offlined") {
    HandlerRig rig;
    rig.io_and(1);
    rig.say_all(Result::retry);
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.rounds();
    rig.scheduler.advance(2s);
    CHECK(rig.told("PG_INIT result=DEV_OFFLINED path=P1") == 1);
    CHECK(rig.rounds() == "3 4");
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("a round that begins at the end of another's delay waits its own") {
    HandlerRig rig("5 queue_if_no_path pg_init_retries 3 pg_init_delay_msecs 500 1 scripted " + T2.substr(4));
    rig.io_and(1);
    CHECK(rig.rounds() == "1");
    rig.say(Result::retry);
    rig.message("disable_group 2");
    rig.message("fail_path P1");
    rig.io_and(1); // turns to the disabled group (R6)
    rig.scheduler.advance(500ms);
    CHECK(rig.told("PG_INIT result=DEV_OFFLINED path=P1") == 1);
    CHECK(rig.rounds().empty());
    rig.scheduler.advance(500ms);
    CHECK(rig.rounds() == "2");
}

TEST_CASE("a suspend with flush waits for requests that wait for an activation") {
    HandlerRig rig;
    rig.io_and(1);
    rig.start_suspend(false);
    CHECK(rig.suspended == "pending");
    rig.say_all(Result::ok);
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.suspended == "ok");
}

TEST_CASE("a suspend without flush waits for the activation, and wants no other round") {
    HandlerRig rig;
    rig.io_and(1);
    rig.start_suspend(true);
    CHECK(rig.suspended == "pending");
    rig.rounds();
    rig.say_all(Result::immediate_retry);
    CHECK(rig.rounds().empty());
    CHECK(rig.suspended == "ok");
    CHECK(rig.results_since(0) == "pending");
    rig.map.load(T1);
    rig.resume();
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("a table is swapped only when the activation of a returned path has ended") {
    HandlerRig rig;
    rig.io_and(1);
    rig.say_all(Result::ok);
    rig.suspend();
    rig.message("fail_path P2");
    rig.message("reinstate_path P2");
    rig.map.load(T1);
    CHECK(rig.resume() == "pending");
    rig.say(Result::ok);
    CHECK(rig.resumed == "ok");
    CHECK(rig.table() == T1);
}

TEST_CASE("a shutdown gives up a round that waits for its delay") {
    HandlerRig rig;
    rig.io_and(1);
    rig.say_all(Result::retry);
    rig.map.shut_down();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ESHUTDOWN");
    CHECK(rig.map.in_flight() == 0);
}

TEST_CASE("a handler that a path knows nothing of is dropped, loudly; the kernel refuses") {
    fakes::HandlerScript script;
    script.attaches = [](const block::Device &) { return false; };
    GateRig rig("0 1 scripted " + groups_of_T4, {.rules = {&multipath::seed, &fakes::HandlerScript::find}});
    CHECK(rig.table() == "0 0 " + groups_of_T4);
    CHECK(rig.map.load("0 1 scripted " + groups_of_T4).find("going on without it") != std::string::npos);
    CHECK(rig.map.load("0 0 " + groups_of_T4).empty());
    CHECK(rig.io(1) == "ok");
    GateRig other("2 queue_mode bio 1 scripted " + groups_of_T4,
                  {.rules = {&multipath::kernel, &fakes::HandlerScript::find}});
    CHECK_FALSE(other.map.load("2 queue_mode bio 1 scripted " + groups_of_T4).empty());
    multipath::Map map(other.scheduler, "n", other.map.options(), other, other);
    CHECK_THROWS_WITH(map.load("0 1 scripted " + groups_of_T4), "error attaching hardware handler");
}

TEST_CASE("a handler's objection to a path that was reached refuses the table") {
    for (const multipath::Compat *compat : {&multipath::seed, &multipath::kernel}) {
        HandlerRig rig(handled, *compat);
        CHECK(rig.map.objection(rig.device("P2")).empty());
        rig.objects = [&](const block::Device &device) {
            return &device == &rig.device("P2") ? "it is old" : "";
        };
        CHECK(rig.map.objection(rig.device("P2")) == "it is old");
        CHECK_THROWS_WITH(rig.map.load(handled), "error attaching hardware handler: path P2: it is old");
        CHECK(!rig.map.has_inactive_table());
    }
}

TEST_CASE("the handlers of both tables hear of a path that is reached, and of the end") {
    HandlerRig rig;
    rig.map.load("0 1 scripted 1 1 round-robin 0 1 1 P1 1");
    rig.map.path_reached(rig.device("P1"));
    CHECK(rig.reached.size() == 2);
    rig.map.path_reached(rig.device("P2"));
    CHECK(rig.reached.size() == 3);
    CHECK(!rig.stopped);
    rig.map.shut_down();
    CHECK(rig.stopped);
}

TEST_CASE("bad handler parameters refuse the table") {
    fakes::HandlerScript script;
    GateRig rig(T1, {.rules = {&multipath::seed, &fakes::HandlerScript::find}});
    CHECK_THROWS_AS(rig.map.load("0 2 scripted bad " + groups_of_T4), base::Error);
    CHECK_FALSE(rig.map.has_inactive_table());
}

TEST_CASE("the handler none activates nothing") {
    GateRig rig("0 1 none " + groups_of_T4);
    CHECK(rig.io(1) == "ok");
    CHECK(rig.table() == "0 1 none " + groups_of_T4);
    CHECK(rig.status().substr(0, 8) == "2 0 0 0 ");
}
