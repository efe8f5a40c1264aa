// SPDX-License-Identifier: BSD-3-Clause
// What `compat: kernel` changes, row by row of multipath/compat.hpp; and the probe (R34).
#include "gate_rig.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace {

const multipath::MapOptions as_kernel{.rules = {&multipath::kernel}};

} // namespace

TEST_CASE("kernel: every request asks the selector, whatever the repeat count") {
    Rig rig("0 0 1 1 round-robin 0 2 1 P1 0 P2 0", as_kernel);
    rig.io(4);
    CHECK(rig.order() == "1 2 1 2");
}

TEST_CASE("kernel: a repeat count above 1 is shown as 1, one of 0 as it is (R3)") {
    const std::string counts = "0 0 1 1 round-robin 0 3 1 P1 3 P2 0 P3 4294967299";
    CHECK(Rig(counts, as_kernel).table() == "0 0 1 1 round-robin 0 3 1 P1 1 P2 0 P3 1");
}

TEST_CASE("kernel: a request that fails over goes to the next path in line (R4)") {
    Rig rig(T4, as_kernel);
    rig.io(1);
    rig.break_path("P1");
    rig.break_path("P2");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 2 1 3");
}

TEST_CASE("kernel: only the first path that comes back restarts the rotation (R12)") {
    Rig rig("0 0 1 1 round-robin 0 3 1 P1 1 P2 1 P3 1", as_kernel);
    rig.io(1);
    rig.message("fail_path P3");
    rig.message("reinstate_path P3");
    rig.io(3);
    CHECK(rig.order() == "1 3 2 1");
}

TEST_CASE("kernel: the error of the last path ends the request at once, and its group stays current (R16)") {
    Rig rig(T4, as_kernel);
    rig.io(1);
    for (const char *path : {"P1", "P2", "P3", "P4"})
        rig.break_path(path);
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 F 1 P4 F 1");
}

TEST_CASE("kernel: INFO shows whether requests wait for an initialisation, not how many (R26)") {
    Rig rig(queueing(T1), as_kernel);
    CHECK(rig.status().substr(0, 4) == "2 1 ");
    rig.message("fail_path P1");
    CHECK(rig.status().substr(0, 4) == "2 1 ");
    rig.io_and(3);
    CHECK(rig.status().substr(0, 4) == "2 0 ");
    CHECK(rig.map.held() == 3);
    rig.message("reinstate_path P1");
    CHECK(rig.results_since(0) == "ok ok ok");
}

TEST_CASE("kernel: numbers count modulo 2^32") {
    Rig rig(T1, as_kernel);
    CHECK_NOTHROW(rig.map.load("4294967297 queue_if_no_path 0 1 1 round-robin 0 1 0 P1"));
    CHECK_THROWS_AS(rig.map.load("-1 0 1 1 round-robin 0 1 0 P1"), base::Error);
    CHECK(rig.message("switch_group 4294967297") == "ok");
    CHECK(rig.message("switch_group 4294967298") == "EINVAL");
    Rig seed(T1);
    CHECK(seed.message("switch_group 4294967297") == "EINVAL");
    CHECK_THROWS_AS(seed.map.load("4294967297 queue_if_no_path 0 1 1 round-robin 0 1 0 P1"), base::Error);
}

TEST_CASE("kernel: TABLE shows retain_attached_hw_handler where it was given, and in bio mode") {
    const std::string group = " 0 1 1 round-robin 0 1 1 P1 1";
    Rig rig("1 retain_attached_hw_handler" + group, as_kernel);
    CHECK(rig.table() == "1 retain_attached_hw_handler" + group);
    Rig bio("2 queue_mode bio" + group, as_kernel);
    CHECK(bio.table() == "3 retain_attached_hw_handler queue_mode bio" + group);
    Rig seed("3 retain_attached_hw_handler queue_mode bio" + group);
    CHECK(seed.table() == "2 queue_mode bio" + group);
}

TEST_CASE("kernel: an unknown path is ENODEV, one of numbers ENXIO") {
    Rig rig(T1, as_kernel);
    const auto code = [&rig](const std::string &path) {
        try {
            rig.map.load("0 0 1 1 round-robin 0 1 0 " + path);
        } catch (const base::Error &error) {
            CHECK(std::string(error.what()) == "error getting device");
            return error.code();
        }
        return 0;
    };
    CHECK(code("nosuch") == ENODEV);
    CHECK(code("99:99") == ENXIO);
    CHECK(code(":") == ENODEV);
    CHECK(code("1:x") == ENODEV);
    CHECK(rig.message("fail_path nosuch") == "ENODEV");
    CHECK(rig.message("fail_path 8:16") == "ENXIO");
    CHECK(rig.message("fail_path P2") == "EINVAL");
}

TEST_CASE("kernel: an unknown hardware handler is ENODEV, and nothing in bio mode") {
    const std::string handled = " 1 nosuch 1 1 round-robin 0 1 1 P1 1";
    Rig rig(T1, as_kernel);
    CHECK_THROWS_WITH(rig.map.load("0" + handled), "error attaching hardware handler");
    Rig bio("2 queue_mode bio" + handled, as_kernel);
    CHECK(bio.table() == "3 retain_attached_hw_handler queue_mode bio" + T1.substr(1));
}

TEST_CASE("kernel: a table without groups may have any handler") {
    Rig rig("0 1 nosuch 0 0", as_kernel);
    CHECK(rig.table() == "0 1 nosuch 0 0");
    CHECK_NOTHROW(rig.map.load("2 queue_mode mq 0 0 0"));
}

TEST_CASE("kernel: a table of queue_mode bio does not follow one of another mode") {
    Rig rig(T1, as_kernel);
    CHECK_THROWS_AS(rig.map.load("2 queue_mode bio 0 1 1 round-robin 0 1 1 P1 1"), base::Error);
    CHECK_NOTHROW(rig.map.load("2 queue_mode mq 0 1 1 round-robin 0 1 1 P1 1"));
    Rig seed(T1);
    CHECK_NOTHROW(seed.map.load("2 queue_mode bio 0 1 1 round-robin 0 1 1 P1 1"));
}

TEST_CASE(
    "kernel: a suspend without flush stops queueing in bio mode only, and what waits goes on waiting (R19)") {
    for (const bool bio : {false, true}) {
        const std::string table =
            bio ? "3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 1 P1 1" : queueing(T1);
        GateRig rig(table, as_kernel);
        rig.message("fail_path P1");
        rig.io_and(1);
        CHECK(rig.suspend(true) == "ok");
        CHECK((rig.table().find("queue_if_no_path") == std::string::npos) == bio);
        CHECK(rig.resume() == "ok");
        CHECK(rig.table().find("queue_if_no_path") != std::string::npos);
        CHECK(rig.results_since(0) == "pending");
    }
}

TEST_CASE("kernel: a request that waits after its last path failed leaves no group current") {
    Rig rig(queueing(T2), as_kernel);
    rig.break_path("P1");
    rig.break_path("P2");
    rig.io_and(1);
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 1 0 P1 F 1 E 0 1 0 P2 F 1");
    rig.message("reinstate_path P1");
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 1 0 P1 F 2 E 0 1 0 P2 F 1");
}

TEST_CASE("kernel: the no-path timeout switches queueing off for good") {
    Rig rig(queueing(T1), {.no_path_timeout = 1s, .rules = {&multipath::kernel}});
    rig.message("fail_path P1");
    rig.scheduler.advance(1s);
    rig.message("reinstate_path P1");
    CHECK(rig.table().substr(0, 4) == "0 0 ");
    Rig seed(queueing(T1), {.no_path_timeout = 1s});
    seed.message("fail_path P1");
    seed.scheduler.advance(1s);
    seed.message("reinstate_path P1");
    CHECK(seed.table().substr(0, 18) == "1 queue_if_no_path");
}

TEST_CASE("kernel: a connection that is lost while idle fails its path at the next request") {
    Rig rig(T2, as_kernel);
    rig.map.path_lost(rig.device("P1"));
    CHECK(rig.status().find("P1 A 0") != std::string::npos);
    rig.map.bar(rig.device("P1"), true);
    CHECK(rig.status().find("P1 F 1") != std::string::npos);
    Rig unreachable(T2, as_kernel, {"P1"});
    CHECK(unreachable.status().find("P1 A 0") != std::string::npos);
}

TEST_CASE("kernel: a table without groups has initial group 0") {
    Rig rig("0 0 0 0", as_kernel);
    CHECK(rig.status() == "2 1 0 0 0 0");
}

namespace {

class ProbeRig : public GateRig {
public:
    using GateRig::GateRig;
    ~ProbeRig() { map.withdraw(ticket); }
    std::string probe() {
        probed = "pending";
        map.probe(ticket);
        scheduler.run();
        return probed;
    }
    std::string probed;
    multipath::Ticket ticket{base::Delegate<int>::to<&ProbeRig::ended>(*this)};

private:
    void ended(int result) { probed = result == 0 ? "ok" : base::errno_name(result); }
};

} // namespace

TEST_CASE("a probe reads every active path of the current group and fails those that cannot") {
    ProbeRig rig(T4);
    rig.io(1);
    rig.order();
    CHECK(rig.probe() == "ok");
    CHECK(rig.order() == "1 2");
    rig.break_path("P2");
    CHECK(rig.probe() == "ok");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 A 0 P2 F 1 E 0 2 0 P3 A 0 P4 A 0");
    rig.order();
    CHECK(rig.probe() == "ok");
    CHECK(rig.order() == "1");
}

TEST_CASE("a refusal is an answer: the path stays") {
    ProbeRig rig(T1);
    rig.io(1);
    rig.device("P1").answer = block::Status::target_error(EPERM);
    CHECK(rig.probe() == "ok");
    CHECK(rig.status().find("P1 A 0") != std::string::npos);
}

TEST_CASE("a probe without a current group reads nothing") {
    ProbeRig rig(T2);
    CHECK(rig.probe() == "ok");
    rig.suspend();
    CHECK(rig.probe() == "ok");
    CHECK(rig.order().empty());
}

TEST_CASE("a probe says when no path is left at all") {
    ProbeRig rig(T2);
    rig.io(1);
    rig.break_path("P1");
    rig.message("fail_path P2");
    CHECK(rig.probe() == "ENOTCONN");
}

TEST_CASE("who asks while a probe runs shares its result") {
    ProbeRig rig(T1);
    ProbeRig other(T1);
    rig.io(1);
    rig.device("P1").holding = true;
    CHECK(rig.probe() == "pending");
    rig.order();
    std::string second = "pending";
    rig.map.probe(other.ticket);
    CHECK(rig.order().empty());
    rig.break_path("P1");
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.probed == "ENOTCONN");
    CHECK(other.probed == "ENOTCONN");
}

TEST_CASE("messages that change the group take effect on it when the probe is over (R41)") {
    ProbeRig rig(T2);
    rig.io(1);
    rig.device("P1").holding = true;
    rig.probe();
    rig.message("switch_group 2");
    rig.message("disable_group 1");
    CHECK(rig.status().substr(0, 14) == "2 0 0 0 2 1 D ");
    rig.device("P1").release();
    rig.scheduler.run();
    rig.order();
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "2");
}

TEST_CASE("pass-through: no path and no queueing is EIO, a suspended map EAGAIN") {
    GateRig rig(queueing(T2));
    int error = 0;
    CHECK(rig.map.device_for_passing(error) == &rig.device("P1"));
    rig.suspend();
    CHECK(rig.map.device_for_passing(error) == nullptr);
    CHECK(error == EAGAIN);
    rig.resume();
    rig.message("fail_path P1");
    CHECK(rig.map.device_for_passing(error) == &rig.device("P2"));
    rig.message("fail_path P2");
    CHECK(rig.map.device_for_passing(error) == nullptr);
    CHECK(error == EAGAIN);
    rig.message("fail_if_no_path");
    CHECK(rig.map.device_for_passing(error) == nullptr);
    CHECK(error == EIO);
}
