// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/read_modify_write.hpp"

#include "block/extents.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace nbd {

using block::Operation;
using block::Request;
using block::Status;

namespace {

constexpr std::size_t block_memory = std::size_t{1} << 20;

bool changes(Operation operation) noexcept {
    return operation == Operation::write || operation == Operation::trim ||
           operation == Operation::write_zeroes;
}

} // namespace

/// A client's request that changes something, or whose borders are not those of blocks. The request itself
/// goes to the device, with other numbers in it, once for each step; so it keeps its origin.
struct ReadModifyWrite::Job : base::ListHook {
    enum class Phase : std::uint8_t {
        whole_blocks, ///< the client's own data, or none
        read_part,    ///< of a block, for a read
        read_rest,    ///< a whole block, of which a part will be changed
        write_back,
    };

    Job(Request &the_request, std::uint64_t size)
        : request(the_request)
        , block_size(size)
        , operation(request.operation)
        , fua(request.fua)
        , offset(request.offset)
        , length(request.length)
        , data(request.data)
        , pipe(request.pipe) {}

    [[nodiscard]] std::uint64_t begin() const noexcept { return offset & ~(block_size - 1); }
    [[nodiscard]] std::uint64_t end() const noexcept {
        return (offset + length + block_size - 1) & ~(block_size - 1);
    }
    [[nodiscard]] bool aligned() const noexcept { return ((offset | length) & (block_size - 1)) == 0; }
    [[nodiscard]] bool has_parts() const noexcept {
        return !aligned() && (operation == Operation::read || operation == Operation::write ||
                              operation == Operation::write_zeroes);
    }
    [[nodiscard]] bool exclusive() const noexcept { return has_parts() && operation != Operation::read; }
    /// Must not be under way at the same time.
    [[nodiscard]] bool excludes(const Job &other) const noexcept {
        return changes(operation) && changes(other.operation) && (exclusive() || other.exclusive()) &&
               begin() < other.end() && other.begin() < end();
    }

    // The piece that is done now: from `done` on, so many bytes.
    [[nodiscard]] std::uint64_t position() const noexcept { return offset + done; }
    [[nodiscard]] std::uint64_t block_of_piece() const noexcept { return position() & ~(block_size - 1); }
    [[nodiscard]] std::byte *place_in_block() const noexcept {
        return block + (position() - block_of_piece());
    }

    Request &request;
    const std::uint64_t block_size;
    // What the client asked for.
    const Operation operation;
    const bool fua;
    const std::uint64_t offset;
    const std::uint64_t length;
    std::byte *const data;
    block::Pipe *const pipe;

    bool running = false;
    Phase phase = Phase::whole_blocks;
    std::uint64_t done = 0;
    std::uint64_t piece = 0;
    std::byte *block = nullptr;
};

ReadModifyWrite::ReadModifyWrite(base::Scheduler &scheduler, block::Device &device) noexcept
    : scheduler_(scheduler)
    , device_(device)
    , blocks_(scheduler, block_memory)
    , finished_(scheduler)
    , start_waiting_(base::Delegate<>::to<&ReadModifyWrite::start_waiting>(*this)) {}

ReadModifyWrite::~ReadModifyWrite() { assert(jobs_.empty() && finished_.empty()); }

void ReadModifyWrite::submit(Request &request) noexcept {
    const std::uint64_t block = device_.geometry().minimum_block;
    const bool aligned = ((request.offset | request.length) & (block - 1)) == 0;
    const bool of_no_interest = !changes(request.operation) && request.operation != Operation::block_status;
    if (block == 1 || request.operation == Operation::flush || (aligned && of_no_interest))
        return device_.submit(request);
    if (!aligned && request.fast_zero)
        return finished_.add(request, {block::Outcome::pass, ENOTSUP}); // reading first is not fast
    Job &job = pool_.make(request, block);
    jobs_.push_back(job);
    ++waiting_;
    if (job.exclusive())
        ++exclusive_;
    if (may_start(job))
        start(job);
}

bool ReadModifyWrite::may_start(const Job &job) const noexcept {
    if (exclusive_ == 0 || !changes(job.operation))
        return true;
    bool before = true; // those that came later wait for this one
    bool free = true;
    jobs_.for_each([&job, &before, &free](const Job &other) {
        before = before && &other != &job;
        free = free && !(before && job.excludes(other));
    });
    return free;
}

void ReadModifyWrite::start(Job &job) noexcept {
    if (job.has_parts()) {
        job.block = blocks_.take(job.block_size);
        if (job.block == nullptr)
            return blocks_.wait(start_waiting_);
    }
    job.running = true;
    --waiting_;
    if (job.request.origin()->abandoned())
        return end(job, Status::target_error(ESHUTDOWN));
    if (job.operation == Operation::cache || job.operation == Operation::block_status) {
        job.piece = job.length;
        step(job, job.operation, job.begin(), job.end() - job.begin(), nullptr);
        return;
    }
    go_on(job);
}

void ReadModifyWrite::go_on(Job &job) noexcept {
    for (; job.done < job.length; job.done += job.piece) {
        const std::uint64_t left = job.length - job.done;
        const std::uint64_t in_block = job.position() - job.block_of_piece();
        const bool part = in_block != 0 || left < job.block_size;
        job.piece = part ? std::min(left, job.block_size - in_block) : left & ~(job.block_size - 1);
        if (part && job.operation == Operation::trim)
            continue; // a part of a block stays: trimming is advice
        return begin_piece(job);
    }
    end(job, Status::success());
}

void ReadModifyWrite::begin_piece(Job &job) noexcept {
    if (job.piece % job.block_size == 0) {
        job.phase = Job::Phase::whole_blocks;
        std::byte *data = job.data == nullptr ? nullptr : job.data + job.done;
        step(job, job.operation, job.position(), job.piece, data);
    } else {
        job.phase = job.operation == Operation::read ? Job::Phase::read_part : Job::Phase::read_rest;
        step(job, Operation::read, job.block_of_piece(), job.block_size, job.block);
    }
}

void ReadModifyWrite::step(Job &job, Operation operation, std::uint64_t offset, std::uint64_t length,
                           std::byte *data) noexcept {
    Request &request = job.request;
    request.operation = operation;
    request.offset = offset;
    request.length = length;
    request.data = data;
    request.pooled = 0;     // it is a part, or the block
    request.pipe = nullptr; // only for all data at once
    request.fua = job.fua && changes(operation);
    request.held_since_ns = 0;
    request.retries = 0;
    request.push(*this, &job);
    device_.submit(request);
}

void ReadModifyWrite::completed(Request &request, Status status) noexcept {
    Job &job = *static_cast<Job *>(request.popped());
    if (!status.ok())
        return end(job, status);
    switch (job.phase) {
    case Job::Phase::read_part:
        std::memcpy(job.data + job.done, job.place_in_block(), job.piece);
        break;
    case Job::Phase::read_rest:
        if (job.operation == Operation::write)
            std::memcpy(job.place_in_block(), job.data + job.done, job.piece);
        else
            std::memset(job.place_in_block(), 0, job.piece);
        job.phase = Job::Phase::write_back;
        return step(job, Operation::write, job.block_of_piece(), job.block_size, job.block);
    case Job::Phase::whole_blocks:
        if (job.operation == Operation::block_status) {
            request.extents->align(job.block_size);
            request.extents->drop_front(job.offset - job.begin());
            request.extents->limit(job.length);
        }
        break;
    case Job::Phase::write_back:
        break;
    }
    job.done += job.piece;
    go_on(job);
}

void ReadModifyWrite::end(Job &job, Status status) noexcept {
    Request &request = job.request;
    request.operation = job.operation;
    request.offset = job.offset;
    request.length = job.length;
    request.data = job.data;
    request.pipe = job.pipe;
    request.fua = job.fua;
    if (job.block != nullptr)
        blocks_.give_back(job.block, job.block_size);
    if (job.exclusive())
        --exclusive_;
    job.unlink();
    pool_.end(job);
    finished_.add(request, status);
    if (waiting_ > 0)
        scheduler_.post(start_waiting_);
}

void ReadModifyWrite::start_waiting() noexcept {
    jobs_.for_each([this](Job &job) {
        if (!job.running && may_start(job))
            start(job);
    });
}

void ReadModifyWrite::drop_waiting(const block::Layer &origin) noexcept {
    jobs_.for_each([this, &origin](Job &job) {
        if (job.running || job.request.origin() != &origin)
            return;
        --waiting_;
        end(job, Status::target_error(ESHUTDOWN));
    });
}

} // namespace nbd
