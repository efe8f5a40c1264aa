// SPDX-License-Identifier: BSD-3-Clause
#include "backend/file_request.hpp"

#include "block/extents.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace backend {

namespace {

using block::Operation;

// Copying more than this at once would keep the loop's other clients waiting.
constexpr std::uint64_t most_inline = 1 << 20;

// Never written to: the kernel reads the zeroes from here.
constexpr std::size_t zeroes_size = 256 << 10;
alignas(4096) std::byte zeroes[zeroes_size];

bool means_unsupported(int error) noexcept {
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY;
}

/// Puts a read's data, the request that is the call's context, into its pipe: all of them, or none, and
/// returns how many are where they usually are.
std::int64_t fill_pipe(const io::FileCall &call) noexcept {
    auto &request = *static_cast<block::Request *>(call.context);
    int before = 0;
    if (::ioctl(request.pipe->out, FIONREAD, &before) != 0 || before != 0)
        return 0; // of an attempt that somebody above did not believe
    auto offset = static_cast<off64_t>(request.offset);
    std::uint64_t done = 0;
    while (done < request.length) {
        const ssize_t moved =
            ::splice(call.fd, &offset, request.pipe->in, nullptr, request.length - done, SPLICE_F_NONBLOCK);
        if (moved <= 0)
            break;
        done += static_cast<std::uint64_t>(moved);
    }
    request.piped = done == request.length;
    if (request.piped || done == 0)
        return 0;
    const ssize_t taken_out = ::read(request.pipe->out, request.data, done);
    return taken_out > 0 ? taken_out : 0;
}

/// The holes of a range, into the Extents that are the call's context.
std::int64_t find_extents(const io::FileCall &call) noexcept {
    auto &extents = *static_cast<block::Extents *>(call.context);
    const auto end = static_cast<off_t>(call.offset + call.length);
    for (auto at = static_cast<off_t>(call.offset); at < end;) {
        off_t data = ::lseek(call.fd, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            return -1;
        // No data from here on: a hole at the end, or no file any more.
        if (data < 0 && ::lseek(call.fd, 0, SEEK_END) < end)
            return -1;
        data = data < 0 ? end : std::min(data, end);
        const auto hole = static_cast<std::uint64_t>(data - at);
        if (!extents.add(hole, block::Extents::hole | block::Extents::zero) || data == end)
            return 0;
        at = ::lseek(call.fd, data, SEEK_HOLE);
        if (at < 0)
            return -1;
        at = std::min(at, end);
        if (!extents.add(static_cast<std::uint64_t>(at - data), block::Extents::allocated))
            return 0;
    }
    return 0;
}

} // namespace

FileRequest::FileRequest(OpenFile &file, block::Request &request, std::byte *bounce,
                         std::size_t bounce_size) noexcept
    : file_(file)
    , request_(request)
    , bounce_(bounce)
    , bounce_size_(bounce_size)
    , step_(Step::ended)
    , nowait_(file.nowait_reads && request.operation == Operation::read && request.length <= most_inline) {
    step_ = first_step();
}

FileRequest::Step FileRequest::first_step() noexcept {
    const bool changes = request_.changes_data();
    if (changes && file_.geometry.read_only) {
        status_ = block::Status::target_error(EPERM);
        return Step::ended;
    }
    switch (request_.operation) {
    case Operation::read:
        request_.piped = false;
        // In memory only: elsewhere nobody can say whether it would wait for the disk.
        return request_.pipe != nullptr && file_.in_memory ? Step::pipe : Step::transfer;
    case Operation::write:
        return Step::transfer;
    case Operation::flush:
        return Step::sync;
    case Operation::trim:
        return file_.punches_holes ? Step::punch : last_step();
    case Operation::write_zeroes:
        return zeroing_step();
    case Operation::block_status:
        return status_step();
    case Operation::cache:
        return file_.direct || file_.in_memory ? Step::ended : Step::advise;
    }
    return Step::ended;
}

FileRequest::Step FileRequest::status_step() noexcept {
    request_.extents->clear();
    // Past the page cache the file system's own tables may be behind those of another host.
    if (!file_.block_device && !file_.direct)
        return Step::look;
    request_.extents->add(request_.length, block::Extents::allocated);
    return Step::ended;
}

FileRequest::Step FileRequest::zeroing_step() noexcept {
    if (!request_.no_hole && file_.punches_holes)
        return Step::punch;
    // On a block device the kernel may write the zeroes itself: not fast.
    if (file_.zeroes_ranges && !(request_.fast_zero && file_.block_device))
        return Step::zero_range;
    if (request_.fast_zero) {
        status_ = {block::Outcome::pass, ENOTSUP};
        return Step::ended;
    }
    return Step::write_zeroes;
}

bool FileRequest::prepare() noexcept {
    call.fd = file_.fd;
    call.flags = 0;
    call.offset = request_.offset + position_;
    call.length = request_.length - position_;
    switch (step_) {
    case Step::transfer:
        prepare_transfer();
        break;
    case Step::punch:
        call.kind = io::FileCall::Kind::allocate;
        call.flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        break;
    case Step::zero_range:
        call.kind = io::FileCall::Kind::allocate;
        call.flags = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
        break;
    case Step::write_zeroes:
        call.kind = io::FileCall::Kind::write;
        call.data = zeroes;
        call.length = std::min<std::uint64_t>(call.length, zeroes_size);
        break;
    case Step::sync:
        call.kind = io::FileCall::Kind::sync;
        break;
    case Step::advise:
        call.kind = io::FileCall::Kind::advise;
        call.flags = POSIX_FADV_WILLNEED;
        call.length = std::min<std::uint64_t>(call.length, std::uint64_t{1} << 30);
        break;
    case Step::pipe:
        call.kind = io::FileCall::Kind::function;
        call.function = fill_pipe;
        call.context = &request_;
        break;
    case Step::look:
        call.kind = io::FileCall::Kind::function;
        call.function = find_extents;
        call.context = request_.extents;
        break;
    case Step::ended:
        return false;
    }
    return true;
}

void FileRequest::prepare_transfer() noexcept {
    const bool reading = request_.operation == Operation::read;
    call.kind = reading ? io::FileCall::Kind::read : io::FileCall::Kind::write;
    if (reading)
        call.flags = nowait_ ? RWF_NOWAIT : 0;
    else
        call.flags = request_.fua ? RWF_DSYNC : 0;
    call.data = request_.data + position_;
    if (bounce_ == nullptr)
        return;
    call.length = std::min<std::uint64_t>(call.length, bounce_size_);
    if (!reading)
        std::memcpy(bounce_, call.data, call.length);
    call.data = bounce_;
}

bool FileRequest::may_run_inline() const noexcept {
    if (step_ == Step::transfer && nowait_)
        return true;
    // A flush has no length, and nothing to do in memory.
    return file_.in_memory && (step_ == Step::sync || request_.length <= most_inline);
}

void FileRequest::take_result() noexcept {
    if (call.result < 0)
        return failed(static_cast<int>(-call.result));
    switch (step_) {
    case Step::pipe:
        position_ = static_cast<std::uint64_t>(call.result);
        step_ = request_.piped ? Step::ended : Step::transfer;
        return;
    case Step::transfer:
    case Step::write_zeroes:
        return moved(static_cast<std::uint64_t>(call.result));
    case Step::punch:
    case Step::zero_range:
        step_ = last_step();
        return;
    case Step::sync:
    case Step::advise:
    case Step::look:
    case Step::ended:
        return end(status_);
    }
}

void FileRequest::moved(std::uint64_t bytes) noexcept {
    if (bytes == 0) {
        hit_the_end_ = step_ == Step::transfer && request_.operation == Operation::read;
        return end(block::Status::path_error(EIO));
    }
    if (bounce_ != nullptr && request_.operation == Operation::read)
        std::memcpy(request_.data + position_, bounce_, bytes);
    nowait_ = false; // what is left was not in the page cache
    position_ += bytes;
    if (position_ == request_.length)
        step_ = step_ == Step::write_zeroes ? last_step() : Step::ended;
}

void FileRequest::failed(int error) noexcept {
    if (step_ == Step::advise)
        return end(block::Status::success()); // advice only
    if (nowait_ && (error == EAGAIN || error == EOPNOTSUPP)) {
        nowait_ = false;
        return;
    }
    if (step_ == Step::look) { // not to know is an answer
        request_.extents->clear();
        request_.extents->add(request_.length, block::Extents::allocated);
        return end(block::Status::success());
    }
    const bool lacks_call = means_unsupported(error);
    if (step_ == Step::punch && lacks_call) {
        file_.punches_holes = false;
        step_ = request_.operation == Operation::trim ? last_step() : zeroing_step();
        return;
    }
    if (step_ == Step::zero_range && lacks_call) {
        file_.zeroes_ranges = false;
        step_ = zeroing_step();
        return;
    }
    end(block::classify_errno(error));
}

} // namespace backend
