// SPDX-License-Identifier: BSD-3-Clause
#include "block/status.hpp"

#include <algorithm>

namespace block {

namespace {

constexpr std::chrono::milliseconds longest_doubled_delay{1000};

struct Row {
    int error;
    Status status;
};
constexpr Row path(int error) { return {error, Status::path_error(error)}; }
constexpr Row shortage(int error) { return {error, {Outcome::path_delayed, error}}; }
constexpr Row target(int error, int told) { return {error, Status::target_error(told)}; }
constexpr Row unsupported(int error) { return {error, {Outcome::pass, ENOTSUP}}; }

// Semantics reference 4.5, what a local file or block device says. What stands in no row is the path's fault,
// as EIO is: nobody knows better.
constexpr Row local_errors[] = {
    shortage(ENOMEM),
    shortage(EBUSY),
    shortage(EAGAIN), // of a read-ahead the map passes it on
    {EINTR, {Outcome::retry, EINTR}},
    target(ENOSPC, ENOSPC),
    target(EDQUOT, ENOSPC),
    target(EFBIG, ENOSPC),
    target(EREMOTEIO, EIO), // block layer: the disk's error, not the path's
    target(ENODATA, EIO),   // block layer: medium error
    target(EILSEQ, EIO),    // block layer: protection information
    target(EBADE, EPERM),   // block layer: reservation conflict
    target(EINVAL, EINVAL),
    target(EPERM, EPERM),
    target(EACCES, EPERM),
    target(EROFS, EPERM),
    unsupported(EOPNOTSUPP),
    unsupported(ENOTTY),
};

// Semantics reference 4.4, what an NBD server may answer. Whatever else it says means EINVAL.
constexpr Row nbd_errors[] = {
    path(EIO),
    {ESHUTDOWN, Status::path_lost(ESHUTDOWN)}, // it does nothing any more
    shortage(ENOMEM),
    target(EPERM, EPERM),
    target(EINVAL, EINVAL),
    target(ENOSPC, ENOSPC),
    target(EOVERFLOW, EOVERFLOW),
    unsupported(ENOTSUP),
};

} // namespace

std::chrono::milliseconds Status::retry_delay(unsigned attempts) const noexcept {
    const std::chrono::milliseconds first(retry_delay_ms);
    return std::max(first, std::min(first * (1 << std::min(attempts, 10U)), longest_doubled_delay));
}

Status classify_errno(int error) noexcept {
    if (error == 0)
        return Status::success();
    for (const Row &row : local_errors)
        if (row.error == error)
            return row.status;
    return Status::path_error(error);
}

Status classify_nbd_error(int error, bool modifies) noexcept {
    if (error == 0)
        return Status::success();
    if (error == EPERM && modifies)
        return Status::path_error(EPERM); // the path lost the permission it had
    for (const Row &row : nbd_errors)
        if (row.error == error)
            return row.status;
    return Status::target_error(EINVAL);
}

} // namespace block
