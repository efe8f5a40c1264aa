// SPDX-License-Identifier: BSD-3-Clause
// The error tables of the semantics reference, 4.4 and 4.5, row by row.
#include "block/status.hpp"

#include <doctest/doctest.h>
#include <utility>

using block::Outcome;
using block::Status;
using namespace std::chrono_literals;

TEST_CASE("no error is a success everywhere") {
    CHECK(block::classify_errno(0) == Status::success());
    CHECK(block::classify_nbd_error(0, false) == Status::success());
    CHECK(Status::success().ok());
}

TEST_CASE("errors of a local file or device are classed as the reference says") {
    const std::pair<int, Status> rows[] = {
        {EIO, {Outcome::path, EIO}},
        {ENOLINK, {Outcome::path, ENOLINK}},
        {ETIMEDOUT, {Outcome::path, ETIMEDOUT}},
        {ENODEV, {Outcome::path, ENODEV}},
        {ENXIO, {Outcome::path, ENXIO}},
        {ENOTCONN, {Outcome::path, ENOTCONN}},
        {ESTALE, {Outcome::path, ESTALE}},
        {EBADF, {Outcome::path, EBADF}},
        {ESHUTDOWN, {Outcome::path, ESHUTDOWN}},
        {ENOMEM, {Outcome::path_delayed, ENOMEM}},
        {EBUSY, {Outcome::path_delayed, EBUSY}},
        {EAGAIN, {Outcome::path_delayed, EAGAIN}},
        {ENOSPC, {Outcome::target, ENOSPC}},
        {EDQUOT, {Outcome::target, ENOSPC}},
        {EFBIG, {Outcome::target, ENOSPC}},
        {EREMOTEIO, {Outcome::target, EIO}},
        {ENODATA, {Outcome::target, EIO}},
        {EILSEQ, {Outcome::target, EIO}},
        {EBADE, {Outcome::target, EPERM}},
        {EOPNOTSUPP, {Outcome::pass, ENOTSUP}},
        {ENOTTY, {Outcome::pass, ENOTSUP}},
        {EINVAL, {Outcome::target, EINVAL}},
        {EPERM, {Outcome::target, EPERM}},
        {EACCES, {Outcome::target, EPERM}},
        {EROFS, {Outcome::target, EPERM}},
        {EINTR, {Outcome::retry, EINTR}},
        {ENAMETOOLONG, {Outcome::path, ENAMETOOLONG}}, // in no row: the path's fault
    };
    for (const auto &row : rows) {
        const auto [error, status] = row;
        CAPTURE(row.first);
        CHECK(block::classify_errno(error) == status);
    }
}

TEST_CASE("errors that an NBD server answers are classed as the reference says") {
    const std::pair<int, Status> rows[] = {
        {5, {Outcome::path, EIO}},
        {12, {Outcome::path_delayed, ENOMEM}},
        {22, {Outcome::target, EINVAL}},
        {28, {Outcome::target, ENOSPC}},
        {75, {Outcome::target, EOVERFLOW}},
        {95, {Outcome::pass, ENOTSUP}},
        {108, {Outcome::path_lost, ESHUTDOWN}},
        {2, {Outcome::target, EINVAL}},
        {0x7fffffff, {Outcome::target, EINVAL}},
    };
    for (const auto &row : rows)
        for (const bool modifies : {false, true}) {
            CAPTURE(row.first);
            CHECK(block::classify_nbd_error(row.first, modifies) == row.second);
        }
}

TEST_CASE("a server that does not permit a change any more fails its path") {
    CHECK(block::classify_nbd_error(1, true) == Status::path_error(EPERM));
    CHECK(block::classify_nbd_error(1, false) == Status::target_error(EPERM));
}

TEST_CASE("a retry is made five times at once when nobody says more") {
    CHECK(Status{Outcome::retry, EINTR} == Status::retry(EINTR, 5));
    CHECK(Status{Outcome::retry, EINTR}.retry_delay(0) == 0ms);
    CHECK(Status{Outcome::retry, EINTR}.retry_delay(200) == 0ms);
    CHECK(Status{Outcome::path, EIO}.retries == 0);
}

TEST_CASE("a retry waits twice as long each time, up to a second") {
    const Status status = Status::retry(EIO, 255, 100ms);
    unsigned attempts = 0;
    for (const auto wait : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms})
        CHECK(status.retry_delay(attempts++) == wait);
    CHECK(status.retry_delay(254) == 1s);
    CHECK(Status::retry(EIO, 1, 2s).retry_delay(3) == 2s);
}

TEST_CASE("path errors are those that send a request elsewhere") {
    CHECK(Status{Outcome::path, EIO}.is_path_error());
    CHECK(Status{Outcome::path_delayed, EIO}.is_path_error());
    CHECK(Status{Outcome::retry, EIO}.is_path_error());
    CHECK_FALSE(Status{Outcome::target, EIO}.is_path_error());
    CHECK_FALSE(Status{Outcome::pass, EIO}.is_path_error());
    CHECK_FALSE(Status::success().is_path_error());
}
