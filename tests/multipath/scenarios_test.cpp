// SPDX-License-Identifier: BSD-3-Clause
// Scenarios 1 to 19 of the semantics reference, section 6.2, as a seed kernel shows them.
#include "rig.hpp"

#include <doctest/doctest.h>

TEST_CASE("scenario 1: a fresh map shows group 1 and gives its paths in turn") {
    Rig rig(T4);
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.table() == T4);
    CHECK(rig.map.event_number() == 0);
    CHECK(rig.io(1) == "ok");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.table() == T4);
    CHECK(rig.new_events() == 0);
    CHECK(rig.io(3) == "ok ok ok");
    CHECK(rig.order() == "1 2 1 2");
}

TEST_CASE("scenario 2: the initial group is tried first") {
    Rig rig("0 0 2 2 round-robin 0 2 1 P1 1 P2 1 round-robin 0 2 1 P3 1 P4 1");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "3");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 A 0 P2 A 0 A 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.table().substr(0, 19) == "0 0 2 2 round-robin");
}

TEST_CASE("scenario 2: an initial group beyond the last one means none") {
    Rig rig("0 0 2 7 round-robin 0 2 1 P1 1 P2 1 round-robin 0 2 1 P3 1 P4 1");
    CHECK(rig.status().substr(0, 11) == "2 0 0 0 2 1");
    CHECK(rig.table().substr(0, 7) == "0 0 2 1");
    rig.io(1);
    CHECK(rig.order() == "1");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("scenario 3: repeat counts are honoured") {
    const auto order_with = [](const std::string &a, const std::string &b) {
        const std::string table = fmt::format("0 0 1 1 round-robin 0 2 1 P1 {} P2 {}", a, b);
        Rig rig(table);
        rig.io(8);
        CHECK(rig.table() == table);
        return rig.order();
    };
    CHECK(order_with("1", "1") == "1 2 1 2 1 2 1 2");
    CHECK(order_with("3", "1") == "1 1 1 2 1 1 1 2");
    CHECK(order_with("0", "0") == "1 1 1 1 1 1 1 1");
}

TEST_CASE("scenario 4: fail_path and reinstate_path are idempotent, fail counts add up") {
    Rig rig(T4);
    rig.io(1);
    CHECK(rig.message("fail_path P1") == "ok");
    CHECK(rig.new_events() == 1);
    const std::string failed = "2 0 0 0 2 1 A 0 2 0 P1 F 1 P2 A 0 E 0 2 0 P3 A 0 P4 A 0";
    CHECK(rig.status() == failed);
    CHECK(rig.events.back() == "PATH_FAILED path=P1 nr_valid=3 seq=1");
    CHECK(rig.message("fail_path P1") == "ok");
    CHECK(rig.new_events() == 0);
    CHECK(rig.status() == failed);
    rig.order();
    rig.io(3);
    CHECK(rig.order() == "2 2 2");
    CHECK(rig.message("reinstate_path P1") == "ok");
    CHECK(rig.new_events() == 1);
    CHECK(rig.events.back() == "PATH_REINSTATED path=P1 nr_valid=4 seq=2");
    CHECK(rig.message("reinstate_path P1") == "ok");
    CHECK(rig.new_events() == 0);
    rig.io(2);
    CHECK(rig.order() == "1 2");
    rig.message("fail_path P1");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 F 2 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("a path where another disk answers fails, and no message brings it back") {
    Rig rig(T4);
    rig.map.bar(rig.device("P1"), true);
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 F 1 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.message("reinstate_path P1") == "EINVAL");
    CHECK(rig.last_error == "path P1 is not the disk of this map and cannot be reinstated");
    rig.io(2);
    CHECK(rig.order() == "2 2");
    rig.map.bar(rig.device("P1"), false);
    CHECK(rig.message("reinstate_path P1") == "ok");
}

TEST_CASE("scenarios 5 and 6: the last path of a group, no failback, switch_group") {
    Rig rig(T4);
    rig.io(1);
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    CHECK(rig.new_events() == 2);
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 F 1 P2 F 1 E 0 2 0 P3 A 0 P4 A 0");
    rig.order();
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "3");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.new_events() == 0);
    CHECK(rig.table().substr(0, 7) == "0 0 2 2");

    rig.message("reinstate_path P1");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 A 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
    rig.io(2);
    CHECK(rig.order() == "4 3");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 A 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
    rig.new_events();
    CHECK(rig.message("switch_group 1") == "ok");
    CHECK(rig.new_events() == 1);
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 A 1 P2 F 1 E 0 2 0 P3 A 0 P4 A 0");
    rig.io(1);
    CHECK(rig.order() == "1");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 A 1 P2 F 1 E 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("scenarios 7 and 8: disabled groups are avoided until all are") {
    Rig rig(T4);
    rig.io(1);
    CHECK(rig.message("disable_group 1") == "ok");
    CHECK(rig.new_events() == 1);
    CHECK(rig.status() == "2 0 0 0 2 1 D 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.table() == T4);
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "3");
    CHECK(rig.status() == "2 0 0 0 2 2 D 0 2 0 P1 A 0 P2 A 0 A 0 2 0 P3 A 0 P4 A 0");

    rig.message("disable_group 2");
    const std::string all_disabled = "2 0 0 0 2 1 D 0 2 0 P1 A 0 P2 A 0 D 0 2 0 P3 A 0 P4 A 0";
    CHECK(rig.status() == all_disabled);
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "2");
    CHECK(rig.status() == all_disabled);
    rig.message("enable_group 2");
    CHECK(rig.status() == "2 0 0 0 2 1 D 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    rig.io(1);
    CHECK(rig.order() == "4");
    CHECK(rig.status() == "2 0 0 0 2 2 D 0 2 0 P1 A 0 P2 A 0 A 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("scenario 9: the initial group is used although it was disabled before the first request") {
    Rig rig(T4);
    rig.message("disable_group 1");
    CHECK(rig.status() == "2 0 0 0 2 1 D 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    rig.io(1);
    CHECK(rig.order() == "1");
    CHECK(rig.status() == "2 0 0 0 2 1 D 0 2 0 P1 A 0 P2 A 0 E 0 2 0 P3 A 0 P4 A 0");
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io(1);
    CHECK(rig.order() == "3");
    CHECK(rig.status() == "2 0 0 0 2 2 D 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("scenario 10: switch_group enables every group") {
    Rig rig(T3);
    rig.message("disable_group 2");
    rig.message("disable_group 3");
    CHECK(rig.status() == "2 0 0 0 3 1 E 0 1 0 P1 A 0 D 0 1 0 P2 A 0 D 0 1 0 P3 A 0");
    rig.message("switch_group 1");
    CHECK(rig.status() == "2 0 0 0 3 1 E 0 1 0 P1 A 0 E 0 1 0 P2 A 0 E 0 1 0 P3 A 0");
    CHECK(rig.new_events() == 3);
}

TEST_CASE("scenario 11: enabling any group starts the choice from the first group again") {
    Rig rig(T4);
    rig.io(1);
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.io(1);
    rig.message("reinstate_path P2");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 A 1 A 0 2 0 P3 A 0 P4 A 0");
    rig.new_events();
    rig.message("enable_group 2");
    CHECK(rig.new_events() == 1);
    CHECK(rig.status() == "2 0 0 0 2 1 E 0 2 0 P1 F 1 P2 A 1 E 0 2 0 P3 A 0 P4 A 0");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "2");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 F 1 P2 A 1 E 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("scenario 12a: an order to switch to a dead group is used up") {
    Rig rig(T2);
    rig.message("fail_path P2");
    rig.message("switch_group 2");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 1 0 P1 A 0 E 0 1 0 P2 F 1");
    rig.io(1);
    CHECK(rig.order() == "1");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 1 0 P1 A 0 E 0 1 0 P2 F 1");
    rig.message("reinstate_path P2");
    rig.io(1);
    CHECK(rig.order() == "1");
}

TEST_CASE("scenario 12b: an order to switch survives while no path is valid") {
    Rig rig(T2);
    rig.io(1);
    rig.message("fail_path P1");
    rig.message("fail_path P2");
    rig.message("switch_group 2");
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 1 0 P1 F 1 E 0 1 0 P2 F 1");
    rig.order();
    rig.message("reinstate_path P1");
    rig.io(1);
    CHECK(rig.order() == "1");
    CHECK(rig.status().substr(0, 11) == "2 0 0 0 2 1");
}

TEST_CASE("scenario 13: refused messages change nothing") {
    Rig rig(T4);
    rig.device("P9"); // exists, not in the table
    const std::string before = rig.status();
    for (const char *text : {"switch_group 0",
                             "switch_group 3",
                             "switch_group x",
                             "switch_group -1",
                             "switch_group 0x1",
                             "switch_group 2x",
                             "switch_group 4294967297",
                             "switch_group 99999999999999999999999",
                             "switch_group",
                             "disable_group 1 2",
                             "queue_if_no_path 1",
                             "bogus",
                             "fail_path",
                             "disable_group 0",
                             "enable_group 9",
                             "fail_path no-such-device",
                             "fail_path P9",
                             "reinstate_path P9",
                             "fail_path P1 P2",
                             "queue_if_no_pat",
                             ""}) {
        CAPTURE(text);
        CHECK(rig.message(text) == "EINVAL");
        CHECK(rig.status() == before);
        CHECK(rig.new_events() == 0);
    }
    CHECK(rig.message("FAIL_PATH P1") == "ok");
    CHECK(rig.message("Reinstate_Path P1") == "ok");
    CHECK(rig.new_events() == 2);
}

TEST_CASE("scenario 14: one device in two groups is two paths") {
    Rig rig("0 0 2 1 round-robin 0 2 1 P1 1 P2 1 round-robin 0 2 1 P1 1 P3 1");
    rig.io(1);
    rig.message("fail_path P1");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 F 1 P2 A 0 E 0 2 0 P1 F 1 P3 A 0");
    CHECK(rig.new_events() == 2);
    const auto path_events = std::vector<std::string>(rig.events.end() - 2, rig.events.end());
    CHECK(path_events == std::vector<std::string>{"PATH_FAILED path=P1 nr_valid=3 seq=1",
                                                  "PATH_FAILED path=P1 nr_valid=2 seq=2"});
    rig.message("fail_path P2");
    rig.order();
    rig.io(1);
    CHECK(rig.order() == "3");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P1 F 1 P3 A 0");
}

namespace {
void fail_all(Rig &rig) {
    for (const char *path : {"P1", "P2", "P3", "P4"})
        rig.message(fmt::format("fail_path {}", path));
}
const char *const all_failed_no_group = "E 0 2 0 P1 F 1 P2 F 1 E 0 2 0 P3 F 1 P4 F 1";
} // namespace

TEST_CASE("scenario 15: no path, failing mode") {
    Rig rig(T4);
    rig.io(1);
    fail_all(rig);
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 2 0 P1 F 1 P2 F 1 E 0 2 0 P3 F 1 P4 F 1");
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == fmt::format("2 0 0 0 2 1 {}", all_failed_no_group));
    rig.order();
    rig.message("reinstate_path P4");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "4");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 F 1 P4 A 1");
}

TEST_CASE("scenario 16: queue_if_no_path holds, reinstate_path releases") {
    Rig rig(T4);
    rig.io(1);
    CHECK(rig.message("queue_if_no_path") == "ok");
    CHECK(rig.new_events() == 0);
    CHECK(rig.table() == queueing(T4));
    fail_all(rig);
    const std::size_t first = rig.results.size();
    rig.order();
    rig.io_and(3);
    CHECK(rig.results_since(first) == "pending pending pending");
    CHECK(rig.status() == fmt::format("2 3 0 0 2 1 {}", all_failed_no_group));
    CHECK(rig.map.held() == 3);
    rig.message("reinstate_path P3");
    CHECK(rig.results_since(first) == "ok ok ok");
    CHECK(rig.order() == "3 3 3");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 A 1 P4 F 1");
    CHECK(rig.table().substr(0, 36) == "1 queue_if_no_path 0 2 2 round-robin");
}

TEST_CASE("scenario 17: fail_if_no_path fails what is held") {
    for (const bool used_before : {true, false}) {
        CAPTURE(used_before);
        Rig rig(queueing(T4));
        if (used_before)
            rig.io(1);
        fail_all(rig);
        const std::size_t first = rig.results.size();
        rig.io_and(2);
        CHECK(rig.status() == fmt::format("2 2 0 0 2 1 {}", all_failed_no_group));
        rig.new_events();
        CHECK(rig.message("fail_if_no_path") == "ok");
        CHECK(rig.results_since(first) == "EIO EIO");
        CHECK(rig.status() == fmt::format("2 0 0 0 2 1 {}", all_failed_no_group));
        CHECK(rig.table() == T4);
        CHECK(rig.new_events() == 0);
    }
}

TEST_CASE("scenario 18: a request goes on to the next group when its paths fail") {
    Rig rig(T4);
    rig.io(1);
    rig.break_path("P1");
    rig.break_path("P2");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
    CHECK(rig.new_events() == 2);
    CHECK(rig.order() == "1 2 1 4"); // Q8: the worker's choice P3 is used up by itself
    rig.repair_path("P1");
    rig.repair_path("P2");
    rig.io(2);
    CHECK(rig.status() == "2 0 0 0 2 2 E 0 2 0 P1 F 1 P2 F 1 A 0 2 0 P3 A 0 P4 A 0");
}

TEST_CASE("scenario 19: every path broken, failing mode") {
    Rig rig(T4);
    rig.io(1);
    for (const char *path : {"P1", "P2", "P3", "P4"})
        rig.break_path(path);
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == fmt::format("2 0 0 0 2 1 {}", all_failed_no_group));
    CHECK(rig.new_events() == 4);
    std::vector<std::string> failures;
    for (const std::string &event : rig.events)
        if (event.starts_with("PATH_FAILED"))
            failures.push_back(event.substr(event.find("nr_valid")));
    CHECK(failures == std::vector<std::string>{"nr_valid=3 seq=1", "nr_valid=2 seq=2", "nr_valid=1 seq=3",
                                               "nr_valid=0 seq=4"});
}
