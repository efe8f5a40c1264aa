// SPDX-License-Identifier: BSD-3-Clause
// `eio: verify` (semantics reference 4.4): is it the path or the disk that answers EIO?
#include "fakes/scripted_handler.hpp"
#include "gate_rig.hpp"

#include <doctest/doctest.h>

namespace {

const std::string three_paths = "0 0 1 1 round-robin 0 3 1 P1 1 P2 1 P3 1";
constexpr std::uint64_t client_length = 4096;

/// EIO to clients, while the probe reads go well: a bad block.
block::Status bad_block(const block::Request &request) {
    return request.length == client_length ? block::Status::path_error(EIO) : block::Status::success();
}

class VerifyRig : public GateRig {
public:
    explicit VerifyRig(const std::string &table = three_paths, bool independent = false)
        : GateRig(table, {.independent_caches = independent, .verify_eio = true}) {}
    void bad_block_on(std::initializer_list<const char *> paths) {
        for (const char *path : paths)
            device(path).verdict = bad_block;
    }
};

} // namespace

TEST_CASE("an EIO that a second path confirms while both still read fails neither") {
    VerifyRig rig;
    rig.bad_block_on({"P1", "P2", "P3"});
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.order() == "1 2 1 2"); // the request, then a read of each
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 3 0 P1 A 0 P2 A 0 P3 A 0");
    CHECK(rig.new_events() == 0);
}

TEST_CASE("an EIO that a second path does not share fails the first path, and the request succeeds") {
    VerifyRig rig;
    rig.bad_block_on({"P1"});
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 2");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 3 0 P1 F 1 P2 A 0 P3 A 0");
}

TEST_CASE("paths that read no more fail, and the request goes to one that does") {
    VerifyRig rig;
    rig.break_path("P1");
    rig.break_path("P2");
    CHECK(rig.io(1) == "ok");
    CHECK(rig.status() == "2 0 0 0 1 1 A 0 3 0 P1 F 1 P2 F 1 P3 A 0");
}

TEST_CASE("of two paths that said EIO the one that still reads gets the request again") {
    VerifyRig rig("0 0 1 1 round-robin 0 2 1 P1 1 P2 1");
    rig.bad_block_on({"P1"});
    rig.break_path("P2");
    // P2 fails; alone, P1 is no longer doubted and fails too.
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 1 1 E 0 2 0 P1 F 1 P2 F 1");
}

TEST_CASE("a second path that is lost decides nothing: the request goes on") {
    VerifyRig rig;
    rig.bad_block_on({"P1"});
    rig.device("P2").answer = block::Status::path_error(ENOTCONN);
    CHECK(rig.io(1) == "ok");
    CHECK(rig.status().find("P2 F 1") != std::string::npos);
}

TEST_CASE("without another path EIO is the path's fault") {
    VerifyRig rig(T1);
    rig.bad_block_on({"P1"});
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 1 1 E 0 1 0 P1 F 1");
}

TEST_CASE("the other path may be of another group, but not of another server's cache") {
    VerifyRig rig(T2);
    rig.bad_block_on({"P1", "P2"});
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 2 1 A 0 1 0 P1 A 0 E 0 1 0 P2 A 0");
    VerifyRig independent(T2, true);
    independent.bad_block_on({"P1"});
    CHECK(independent.io(1, block::Operation::write) == "ok");
    CHECK(independent.status() == "2 0 0 0 2 2 E 0 1 0 P1 F 1 A 0 1 0 P2 A 0");
}

TEST_CASE("two entries of one device do not confirm each other") {
    VerifyRig rig("0 0 1 1 round-robin 0 2 1 P1 1 P1 1");
    rig.bad_block_on({"P1"});
    CHECK(rig.io(1) == "EIO");
    CHECK(rig.status() == "2 0 0 0 1 1 E 0 2 0 P1 F 1 P1 F 1");
}

TEST_CASE("a suspend waits for a request in doubt") {
    VerifyRig rig;
    rig.bad_block_on({"P1"});
    rig.device("P2").holding = true;
    rig.io_and(1);
    rig.start_suspend(false);
    CHECK(rig.suspended == "pending");
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.suspended == "ok");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("a shutdown ends a request in doubt") {
    VerifyRig rig;
    rig.bad_block_on({"P1", "P2"});
    rig.device("P2").holding = true;
    rig.io_and(1);
    rig.map.shut_down();
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.results_since(0).find("pending") == std::string::npos);
}

TEST_CASE("a write of a client that is gone is not tried on another path") {
    VerifyRig rig;
    rig.bad_block_on({"P1"});
    rig.device("P1").answer = block::Status::path_error(EIO);
    rig.device("P1").holding = true;
    rig.io_and(1, block::Operation::write);
    rig.client_gone = true;
    rig.order();
    rig.device("P1").release();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ESHUTDOWN");
    CHECK(rig.order().empty());
}

TEST_CASE("a request that both paths failed, and neither reads, waits for a path") {
    VerifyRig rig(queueing("0 0 1 1 round-robin 0 2 1 P1 1 P2 1"));
    rig.break_path("P1");
    rig.break_path("P2");
    CHECK(rig.io(1) == "pending");
    CHECK(rig.status() == "2 1 0 0 1 1 E 0 2 0 P1 F 1 P2 F 1");
    rig.repair_path("P2");
    rig.message("reinstate_path P2");
    CHECK(rig.results_since(0) == "ok");
}

TEST_CASE("what a client leaves in doubt when it goes ends with the doubt") {
    VerifyRig rig;
    rig.break_path("P1");
    rig.break_path("P2");
    rig.device("P2").holding = true;
    rig.io_and(1, block::Operation::write);
    rig.drop_client();
    rig.order();
    rig.device("P2").release();
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ESHUTDOWN");
    CHECK(rig.order() == "1 2"); // the reads that tell who is at fault
    CHECK(rig.status().find("P1 F 1 P2 F 1 P3 A 0") != std::string::npos);
}

TEST_CASE("paths that the hardware handler lets send nothing are no two that say EIO") {
    fakes::HandlerScript script;
    GateRig rig("0 1 scripted 1 1 round-robin 0 3 1 P1 1 P2 1 P3 1",
                {.verify_eio = true, .rules = {&multipath::seed, &fakes::HandlerScript::find}});
    script.lets_send = [&rig](const block::Device &device) { return &device == &rig.device("P3"); };
    rig.io_and(1);
    script.answer_all(handler::Result::ok);
    rig.scheduler.run();
    CHECK(rig.results_since(0) == "ok");
    CHECK(rig.status().substr(12) == "A 0 3 0 P1 F 1 P2 F 1 P3 A 0");
}

TEST_CASE("the other path may ask for as many tries as any") {
    VerifyRig rig;
    const auto says_after_three_tries = [](block::Status status) {
        return [status, tries = 3](const block::Request &) mutable {
            return tries-- > 0 ? block::Status(block::Outcome::retry, EINTR) : status;
        };
    };
    rig.device("P1").verdict = says_after_three_tries(block::Status::path_error(EIO));
    rig.device("P2").verdict = says_after_three_tries(block::Status::success());
    CHECK(rig.io(1) == "ok");
    CHECK(rig.order() == "1 1 1 1 2 2 2 2");
}
