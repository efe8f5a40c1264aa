// SPDX-License-Identifier: BSD-3-Clause
// The selectors as a map uses them: scenario 23 of the semantics reference, 6.2.
#include "rig.hpp"

#include <doctest/doctest.h>

namespace {

/// A map whose paths keep what they get.
struct HoldingRig : Rig {
    explicit HoldingRig(const std::string &table)
        : Rig(table) {
        for (const char *name : {"P1", "P2"})
            device(name).holding = true;
    }
    void release(const char *name) {
        device(name).release();
        scheduler.run();
    }
};

} // namespace

TEST_CASE("scenario 23: queue-length shows requests in flight") {
    HoldingRig rig("0 0 1 1 queue-length 0 2 1 P1 1 P2 1");
    rig.io_and(3);
    CHECK(rig.order() == "1 2 1");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 2 1 P1 A 0 2 P2 A 0 1");
    rig.release("P1");
    rig.release("P2");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 2 1 P1 A 0 0 P2 A 0 0");
}

TEST_CASE("scenario 23: service-time shows bytes in flight and throughput") {
    const std::string table = "0 0 1 1 service-time 0 2 2 P1 1 1 P2 1 4";
    HoldingRig rig(table);
    rig.io_and(5);
    CHECK(rig.order() == "2 2 2 2 1");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 2 2 P1 A 0 4096 1 P2 A 0 16384 4");
    CHECK(rig.table() == table);
    rig.io_and(1, block::Operation::flush); // has no bytes
    rig.io_and(1, block::Operation::block_status);
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 2 2 P1 A 0 4096 1 P2 A 0 16384 4");
}

TEST_CASE("scenario 23: historical-service-time shows average, requests in flight and staleness") {
    HoldingRig rig("0 0 1 1 historical-service-time 2 900 2 2 1 P1 1 P2 1");
    CHECK(rig.status() == "2 0 0 0 1 1 E 2 900 2 2 3 P1 A 0 1024 0 0 P2 A 0 1024 0 0");
    CHECK(rig.table() == "0 0 1 1 historical-service-time 2 900 2 2 1 P1 0 P2 0");
    rig.io_and(3);
    CHECK(rig.status() == "2 0 0 0 1 1 A 2 900 2 2 3 P1 A 0 1024 2 0 P2 A 0 1024 1 0");
}

TEST_CASE("a request that goes to another path is taken off the first one's count") {
    HoldingRig rig("0 0 1 1 service-time 0 2 1 P1 1 P2 1");
    rig.io_and(1);
    rig.device("P1").lose_connection();
    rig.scheduler.run();
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 2 2 P1 F 1 0 1 P2 A 0 4096 1");
    rig.release("P2");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 2 2 P1 F 1 0 1 P2 A 0 0 1");
    CHECK(rig.results_since(0) == "ok");
}
