// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_status.hpp"

#include <algorithm>

namespace block {

namespace {

// What rows say.

using namespace std::chrono_literals;

constexpr ScsiOutcome ok{Status::success()};
constexpr ScsiOutcome path{Status::path_error(EIO)};
constexpr ScsiOutcome unmapped{.status = Status::path_error(ENXIO), .disconnected = true};
constexpr ScsiOutcome target(int error) { return {Status::target_error(error)}; }
constexpr ScsiOutcome unknown_command{.status = {Outcome::pass, ENOTSUP}, .clear_capability = true};

constexpr std::uint8_t until_timeout = 255;
constexpr ScsiOutcome again(std::uint8_t times, std::chrono::milliseconds delay = 0ms) {
    return {Status::retry(EIO, times, delay)};
}
constexpr ScsiOutcome busy = again(5, 100ms);
constexpr ScsiOutcome not_yet = again(until_timeout, 1s);
constexpr ScsiOutcome in_transition{
    .status = Status::retry(EIO, until_timeout, 1s), .recheck_alua = true, .transitioning = true};
constexpr ScsiOutcome access_changed{.status = Status::retry(EIO, 5), .recheck_alua = true};
constexpr ScsiOutcome size_changed{.status = Status::retry(EIO, 5), .reread_capacity = true};

// What rows are about.

enum class Key : std::uint8_t {
    no_sense,
    recovered_error,
    not_ready,
    medium_error,
    hardware_error,
    illegal_request,
    unit_attention,
    data_protect,
    blank_check,
    copy_aborted = 0xa,
    aborted_command,
    volume_overflow = 0xd,
    miscompare,
};

struct Codes {
    std::uint8_t first;
    std::uint8_t last;

    constexpr Codes(int code) // one code is a range, too
        : Codes(code, code) {}
    constexpr Codes(int from, int to)
        : first(static_cast<std::uint8_t>(from))
        , last(static_cast<std::uint8_t>(to)) {}
    [[nodiscard]] bool contain(std::uint8_t code) const noexcept { return first <= code && code <= last; }
};
constexpr Codes any{0x00, 0xff};

constexpr unsigned bit(Operation operation) { return 1U << static_cast<unsigned>(operation); }
constexpr unsigned every = ~0U;
constexpr unsigned changing = bit(Operation::write) | bit(Operation::trim) | bit(Operation::write_zeroes);
constexpr unsigned storing = bit(Operation::write) | bit(Operation::write_zeroes);
/// What a unit need not know.
constexpr unsigned optional = ~(bit(Operation::read) | bit(Operation::write));

struct StatusRow {
    int status;
    ScsiOutcome outcome;
};
constexpr StatusRow status_rows[] = {
    {0x00, ok},            // GOOD
    {0x04, ok},            // CONDITION MET
    {0x08, busy},          // BUSY
    {0x18, target(EPERM)}, // RESERVATION CONFLICT
    {0x28, busy},          // TASK SET FULL
    {0x30, busy},          // ACA ACTIVE
    {0x40, again(1)},      // TASK ABORTED
};
constexpr int check_condition = 0x02;

struct SenseRow {
    Key key;
    Codes asc;
    Codes ascq;
    unsigned operations;
    ScsiOutcome outcome;
};
// The first row that fits counts. What stands in no row is the path's fault.
constexpr SenseRow sense_rows[] = {
    {Key::no_sense, any, any, every, ok},
    {Key::recovered_error, any, any, every, ok},

    {Key::not_ready, 0x04, 0x01, every, not_yet}, // becoming ready
    {Key::not_ready, 0x04, {0x04, 0x09}, every, not_yet},
    {Key::not_ready, 0x04, 0x0a, every, in_transition}, // access state
    {Key::not_ready, 0x04, 0x11, every, not_yet},
    {Key::not_ready, 0x04, 0x14, every, not_yet},
    {Key::not_ready, 0x04, {0x1a, 0x1b}, every, not_yet},
    {Key::not_ready, 0x04, 0x1d, every, not_yet},
    {Key::not_ready, any, any, every, path}, // standby, unavailable, no medium, …

    {Key::medium_error, 0x11, any, every, target(EIO)}, // unrecovered read error
    {Key::medium_error, {0x13, 0x14}, any, every, target(EIO)},
    {Key::medium_error, any, any, every, again(1)},

    {Key::hardware_error, any, any, every, target(EIO)},

    {Key::illegal_request, 0x10, any, every, target(EIO)},        // protection information
    {Key::illegal_request, 0x20, any, optional, unknown_command}, // operation code
    {Key::illegal_request, 0x24, any, optional, unknown_command}, // field in CDB
    {Key::illegal_request, 0x21, any, storing, target(ENOSPC)},   // address out of range
    {Key::illegal_request, {0x20, 0x22}, any, every, target(EINVAL)},
    {Key::illegal_request, 0x24, any, every, target(EINVAL)},
    {Key::illegal_request, 0x25, 0x00, every, unmapped}, // no such unit
    {Key::illegal_request, 0x26, any, every, target(EINVAL)},
    {Key::illegal_request, 0x27, any, every, target(EPERM)}, // write protected
    {Key::illegal_request, any, any, every, path},

    {Key::unit_attention, 0x04, 0x0a, every, in_transition},
    {Key::unit_attention, 0x29, 0x00, every, access_changed}, // power on or reset
    {Key::unit_attention, 0x2a, {0x06, 0x07}, every, access_changed},
    {Key::unit_attention, 0x2a, 0x09, every, size_changed},
    {Key::unit_attention, any, any, every, again(5)},

    {Key::data_protect, 0x27, 0x07, every, target(ENOSPC)}, // thin provisioning threshold
    {Key::data_protect, any, any, changing, target(EPERM)},
    {Key::data_protect, any, any, every, target(EIO)},

    {Key::blank_check, any, any, every, target(EIO)},
    {Key::copy_aborted, any, any, every, target(EIO)},

    {Key::aborted_command, 0x10, any, every, target(EIO)},   // protection information
    {Key::aborted_command, 0x2e, {0x01, 0x03}, every, path}, // command timeout
    {Key::aborted_command, any, any, every, again(2)},

    {Key::volume_overflow, any, any, every, target(EIO)},
    {Key::miscompare, any, any, every, target(EIO)},
};

ScsiOutcome classify_sense(const ScsiResult &result, Operation operation) noexcept {
    if (!result.has_sense)
        return path;
    if (result.deferred)
        return again(5); // this command was not begun
    for (const SenseRow &row : sense_rows)
        if (static_cast<std::uint8_t>(row.key) == result.key && row.asc.contain(result.asc) &&
            row.ascq.contain(result.ascq) && (row.operations & bit(operation)) != 0)
            return row.outcome;
    return path;
}

ScsiOutcome classify_any(const ScsiResult &result, Operation operation) noexcept {
    if (result.status == check_condition)
        return classify_sense(result, operation);
    for (const StatusRow &row : status_rows)
        if (row.status == result.status)
            return row.outcome;
    return path;
}

} // namespace

ScsiOutcome classify_scsi(const ScsiResult &result, Operation operation, ScsiTimeouts timeouts) noexcept {
    ScsiOutcome outcome = classify_any(result, operation);
    if (outcome.status.outcome == Outcome::retry && outcome.status.retries == until_timeout) {
        const auto seconds = (outcome.transitioning ? timeouts.transition : timeouts.io).count();
        outcome.status.retries =
            static_cast<std::uint8_t>(std::clamp<std::chrono::seconds::rep>(seconds, 1, until_timeout));
    }
    return outcome;
}

} // namespace block
