// SPDX-License-Identifier: BSD-3-Clause
#include "block/status.hpp"

namespace block {

namespace {

struct Row {
    int error;
    Status status;
};

// Semantics reference 4.5, local errors. What stands in no row is the path's fault.
constexpr Row local_errors[] = {
    {ENOMEM, {Outcome::path_delayed, ENOMEM}}, {EBUSY, {Outcome::path_delayed, EBUSY}},
    {EAGAIN, {Outcome::path_delayed, EAGAIN}}, {ENOSPC, {Outcome::target, ENOSPC}},
    {EDQUOT, {Outcome::target, ENOSPC}},       {EFBIG, {Outcome::target, ENOSPC}},
    {EREMOTEIO, {Outcome::target, EIO}},       {ENODATA, {Outcome::target, EIO}},
    {EILSEQ, {Outcome::target, EIO}},          {EBADE, {Outcome::target, EPERM}},
    {EOPNOTSUPP, {Outcome::pass, ENOTSUP}},    {ENOTTY, {Outcome::pass, ENOTSUP}},
    {EINVAL, {Outcome::target, EINVAL}},       {EPERM, {Outcome::target, EPERM}},
    {EACCES, {Outcome::target, EPERM}},        {EROFS, {Outcome::target, EPERM}},
    {EINTR, {Outcome::retry, EINTR}},
};

// Semantics reference 4.4, what an NBD server may answer. Unknown values mean EINVAL there.
constexpr Row nbd_errors[] = {
    {EPERM, {Outcome::target, EPERM}},         {EIO, {Outcome::path, EIO}},
    {ENOMEM, {Outcome::path_delayed, ENOMEM}}, {EINVAL, {Outcome::target, EINVAL}},
    {ENOSPC, {Outcome::target, ENOSPC}},       {EOVERFLOW, {Outcome::target, EOVERFLOW}},
    {ENOTSUP, {Outcome::pass, ENOTSUP}},       {ESHUTDOWN, {Outcome::path, ESHUTDOWN}},
};

} // namespace

Status classify_errno(int error) noexcept {
    if (error == 0)
        return Status::success();
    for (const Row &row : local_errors)
        if (row.error == error)
            return row.status;
    return Status::path_error(error);
}

Status classify_nbd_error(int error) noexcept {
    if (error == 0)
        return Status::success();
    for (const Row &row : nbd_errors)
        if (row.error == error)
            return row.status;
    return Status::target_error(EINVAL);
}

} // namespace block
