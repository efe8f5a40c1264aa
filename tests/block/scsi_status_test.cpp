// SPDX-License-Identifier: BSD-3-Clause
// The semantics reference's table 4.6, row by row.
#include "block/scsi_status.hpp"

#include <doctest/doctest.h>

using block::Operation;
using block::Outcome;
using block::ScsiOutcome;
using block::ScsiResult;
using block::Status;

namespace {

using namespace std::chrono_literals;

constexpr Operation operations[] = {Operation::read,        Operation::write,        Operation::flush,
                                    Operation::trim,        Operation::write_zeroes, Operation::cache,
                                    Operation::block_status};

constexpr ScsiOutcome ok{Status::success()};
constexpr ScsiOutcome path{Status::path_error(EIO)};
constexpr ScsiOutcome target(int error) { return {Status::target_error(error)}; }
constexpr ScsiOutcome again(std::uint8_t times, std::chrono::milliseconds delay = 0ms) {
    return {Status::retry(EIO, times, delay)};
}
constexpr ScsiOutcome becoming_ready = again(30, 1s);
constexpr ScsiOutcome transition{
    .status = Status::retry(EIO, 255, 1s), .recheck_alua = true, .transitioning = true};
constexpr ScsiOutcome access_changed{.status = Status::retry(EIO, 5), .recheck_alua = true};
constexpr ScsiOutcome size_changed{.status = Status::retry(EIO, 5), .reread_capacity = true};
constexpr ScsiOutcome unmapped{.status = Status::path_error(ENXIO), .disconnected = true};
constexpr ScsiOutcome unsupported{.status = {Outcome::pass, ENOTSUP}, .clear_capability = true};

ScsiResult sense(int key, int asc, int ascq) {
    return {.status = 0x02,
            .has_sense = true,
            .key = static_cast<std::uint8_t>(key),
            .asc = static_cast<std::uint8_t>(asc),
            .ascq = static_cast<std::uint8_t>(ascq)};
}

struct Row {
    int key;
    int asc;
    int ascq;
    ScsiOutcome outcome;
};
/// Rows that hold whatever the command was.
void check(std::initializer_list<Row> rows) {
    for (const Row &row : rows)
        for (const Operation operation : operations) {
            CAPTURE(row.key);
            CAPTURE(row.asc);
            CAPTURE(row.ascq);
            CAPTURE(static_cast<int>(operation));
            CHECK(block::classify_scsi(sense(row.key, row.asc, row.ascq), operation) == row.outcome);
        }
}

ScsiOutcome of(Operation operation, int key, int asc, int ascq = 0) {
    return block::classify_scsi(sense(key, asc, ascq), operation);
}

} // namespace

TEST_CASE("a SCSI status without sense data has its class") {
    const std::pair<int, ScsiOutcome> rows[] = {
        {0x00, ok},              // GOOD
        {0x04, ok},              // CONDITION MET
        {0x08, again(5, 100ms)}, // BUSY
        {0x28, again(5, 100ms)}, // TASK SET FULL
        {0x30, again(5, 100ms)}, // ACA ACTIVE
        {0x18, target(EPERM)},   // RESERVATION CONFLICT
        {0x40, again(1)},        // TASK ABORTED
        {0x02, path},            // CHECK CONDITION that does not say why
        {0x22, path},            // no status of today
        {0xff, path},
        {0x101, path}, // libiscsi: redirected, cancelled, error, timeout
        {0x0f000000, path},
        {0x0f000001, path},
        {0x0f000002, path},
        {-1, path},
    };
    for (const auto &row : rows) {
        CAPTURE(row.first);
        CHECK(block::classify_scsi({.status = row.first}, Operation::read) == row.second);
    }
}

TEST_CASE("sense data counts with CHECK CONDITION only") {
    ScsiResult good = sense(3, 0x11, 0);
    good.status = 0;
    CHECK(block::classify_scsi(good, Operation::read) == ok);
}

TEST_CASE("deferred sense is of another command: this one is sent again") {
    ScsiResult result = sense(3, 0x11, 0);
    result.deferred = true;
    CHECK(block::classify_scsi(result, Operation::read) == again(5));
}

TEST_CASE("no sense and recovered error are successes") {
    check({{0x0, 0x00, 0x00, ok}, {0x0, 0x5d, 0x10, ok}, {0x1, 0x17, 0x01, ok}, {0x1, 0x5d, 0x00, ok}});
}

TEST_CASE("a unit that is not ready is asked again when it will be, else its path is at fault") {
    for (const int soon : {0x01, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x11, 0x14, 0x1a, 0x1b, 0x1d})
        check({{0x2, 0x04, soon, becoming_ready}});
    check({{0x2, 0x04, 0x0a, transition}});
    for (const int not_soon : {0x00, 0x02, 0x03, 0x0b, 0x0c, 0x10, 0x12, 0x13, 0x1c, 0x1e, 0x22})
        check({{0x2, 0x04, not_soon, path}});
    check({{0x2, 0x3a, 0x00, path}, {0x2, 0x05, 0x01, path}});
}

TEST_CASE("how long a unit that is not ready is asked again is for its path to say") {
    const auto retries = [](int key, int ascq, block::ScsiTimeouts timeouts) {
        return int{block::classify_scsi(sense(key, 0x04, ascq), Operation::read, timeouts).status.retries};
    };
    const block::ScsiTimeouts timeouts{.io = 7s, .transition = 60s};
    CHECK(retries(2, 0x01, timeouts) == 7);
    CHECK(retries(2, 0x0a, timeouts) == 60);
    CHECK(retries(6, 0x0a, timeouts) == 60);
    CHECK(retries(2, 0x01, {.io = 0s}) == 1);
    CHECK(retries(2, 0x01, {.io = 3600s}) == 255);
}

TEST_CASE("a medium error is the disk's when it is one of reading, else the path is tried once more") {
    check({{0x3, 0x11, 0x00, target(EIO)},
           {0x3, 0x11, 0x14, target(EIO)},
           {0x3, 0x13, 0x00, target(EIO)},
           {0x3, 0x14, 0x01, target(EIO)},
           {0x3, 0x0c, 0x00, again(1)},
           {0x3, 0x31, 0x00, again(1)}});
}

TEST_CASE("a hardware error is the disk's") {
    check({{0x4, 0x44, 0x00, target(EIO)}, {0x4, 0x00, 0x00, target(EIO)}});
}

TEST_CASE("an illegal request is illegal on every path") {
    for (const Operation operation : {Operation::read, Operation::write})
        for (const int asc : {0x20, 0x22, 0x24, 0x26})
            CHECK(of(operation, 0x5, asc) == target(EINVAL));
    CHECK(of(Operation::read, 0x5, 0x21) == target(EINVAL));
    CHECK(of(Operation::trim, 0x5, 0x21) == target(EINVAL));
    check({{0x5, 0x22, 0x00, target(EINVAL)},
           {0x5, 0x26, 0x00, target(EINVAL)},
           {0x5, 0x27, 0x00, target(EPERM)},
           {0x5, 0x10, 0x01, target(EIO)}});
}

TEST_CASE("an operation that the unit does not know is not sent again") {
    for (const Operation operation : {Operation::trim, Operation::write_zeroes, Operation::flush,
                                      Operation::cache, Operation::block_status})
        for (const int asc : {0x20, 0x24})
            CHECK(of(operation, 0x5, asc) == unsupported);
}

TEST_CASE("a write beyond the end finds no space") {
    CHECK(of(Operation::write, 0x5, 0x21) == target(ENOSPC));
    CHECK(of(Operation::write_zeroes, 0x5, 0x21) == target(ENOSPC));
}

TEST_CASE("a unit that is unmapped is disconnected, other illegal requests are the path's fault") {
    check({{0x5, 0x25, 0x00, unmapped}, {0x5, 0x25, 0x01, path}, {0x5, 0x49, 0x00, path}});
}

TEST_CASE("after a unit attention the command is sent again") {
    check({{0x6, 0x04, 0x0a, transition},
           {0x6, 0x29, 0x00, access_changed},
           {0x6, 0x2a, 0x06, access_changed},
           {0x6, 0x2a, 0x07, access_changed},
           {0x6, 0x29, 0x04, again(5)},
           {0x6, 0x2a, 0x01, again(5)},
           {0x6, 0x3f, 0x03, again(5)},
           {0x6, 0x3f, 0x0e, again(5)},
           {0x6, 0x2a, 0x09, size_changed},
           {0x6, 0x28, 0x00, again(5)}});
}

TEST_CASE("protected data cannot be changed") {
    check({{0x7, 0x27, 0x07, target(ENOSPC)}});
    for (const Operation operation : {Operation::write, Operation::trim, Operation::write_zeroes})
        CHECK(of(operation, 0x7, 0x27) == target(EPERM));
    for (const Operation operation : {Operation::read, Operation::flush, Operation::cache})
        CHECK(of(operation, 0x7, 0x20, 0x02) == target(EIO));
}

TEST_CASE("blank check, copy aborted, volume overflow and miscompare are the disk's") {
    check({{0x8, 0x00, 0x00, target(EIO)},
           {0xa, 0x00, 0x00, target(EIO)},
           {0xd, 0x00, 0x00, target(EIO)},
           {0xe, 0x1d, 0x00, target(EIO)}});
}

TEST_CASE("an aborted command is sent again twice but where that cannot help") {
    check({{0xb, 0x10, 0x01, target(EIO)},
           {0xb, 0x2e, 0x01, path},
           {0xb, 0x2e, 0x02, path},
           {0xb, 0x2e, 0x03, path},
           {0xb, 0x2e, 0x00, again(2)},
           {0xb, 0x44, 0x00, again(2)},
           {0xb, 0x4b, 0x04, again(2)},
           {0xb, 0x00, 0x00, again(2)}});
}

TEST_CASE("any other sense key is the path's fault") {
    check({{0x9, 0x00, 0x00, path},
           {0xc, 0x00, 0x00, path},
           {0xf, 0x00, 0x00, path},
           {0x10, 0x00, 0x00, path}});
}
