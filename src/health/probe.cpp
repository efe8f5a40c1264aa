// SPDX-License-Identifier: BSD-3-Clause
#include "health/probe.hpp"

#include <algorithm>
#include <utility>

namespace health {

namespace {
constexpr std::size_t buffer_size = 64 << 10;   // the largest minimum block
constexpr unsigned most_attempts = 5;           // several unit attentions may wait
constexpr std::size_t test_unit_ready_size = 6; // of zeroes

bool is_inactive(const block::ScsiResult &result) noexcept {
    return result.has_sense && result.key == 2 && result.asc == 0x04 && result.ascq >= 0x0a &&
           result.ascq <= 0x0c;
}
} // namespace

Probe::Probe(backend::Backend &backend, Told told)
    : backend_(backend)
    , told_(told)
    , buffer_(static_cast<std::byte *>(std::aligned_alloc(4096, buffer_size))) {}

void Probe::start() noexcept {
    if (std::exchange(running_, true))
        return;
    attempts_ = 0;
    if (block::ScsiPort *unit = backend_.scsi())
        ask(*unit);
    else
        read();
}

void Probe::ask(block::ScsiPort &unit) {
    block::ScsiOrder order;
    order.block.resize(test_unit_ready_size);
    unit.execute(std::move(order),
                 [this, &unit](const block::ScsiReply &reply) { answered(unit, reply.result); });
}

void Probe::answered(block::ScsiPort &unit, const block::ScsiResult &result) {
    const block::Status status = block::classify_scsi(result, block::Operation::read).status;
    if (status.outcome == block::Outcome::retry && status.retry_delay_ms == 0 && ++attempts_ < most_attempts)
        ask(unit);
    else if (status.ok())
        read();
    else
        end(is_inactive(result) ? Answer::inactive : Answer::fails);
}

void Probe::read() noexcept {
    const block::Geometry &disk = backend_.geometry();
    const std::uint64_t whole_blocks = disk.size - disk.size % disk.minimum_block;
    if (whole_blocks == 0) {
        end(Answer::reads); // nothing
        return;
    }
    request_.operation = block::Operation::read;
    request_.offset = 0;
    request_.length = std::min<std::uint64_t>(std::max(disk.minimum_block, 4096U), whole_blocks);
    request_.data = buffer_.get();
    request_.push(*this, nullptr);
    backend_.submit(request_);
}

void Probe::completed(block::Request &, block::Status status) noexcept {
    // An answer that says no ("target") is an answer: the path works.
    end(status.is_path_error() ? Answer::fails : Answer::reads);
}

void Probe::end(Answer answer) noexcept {
    running_ = false;
    told_(answer);
}

} // namespace health
