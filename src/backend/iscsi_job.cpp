// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_job.hpp"

#include "backend/scsi_lba_status.hpp"

#include <algorithm>

namespace backend {

namespace {

using block::Operation;
using block::Request;
using block::Status;

// What is written where the unit cannot write zeroes by itself. Never changed; libiscsi only reads it. At
// least one block of any unit.
std::array<std::byte, 256 << 10> zeroes;

/// Always true enough.
Status all_allocated(Request &request) noexcept {
    request.extents->clear();
    request.extents->add(request.length, block::Extents::allocated);
    return Status::success();
}

} // namespace

bool IscsiJob::needs_flush(const ScsiUnit &unit) const noexcept {
    if (flushed_ || !unit.volatile_cache)
        return false;
    if (request_.operation == Operation::flush)
        return true;
    return request_.fua && request_.changes_data() && !(sent_ == Operation::write && unit.fua);
}

std::optional<Status> IscsiJob::begin(IscsiSession &session, const ScsiUnit &unit) noexcept {
    if (request_.changes_data() && unit.geometry.read_only)
        return Status::target_error(EPERM);
    switch (request_.operation) {
    case Operation::write_zeroes:
        if (request_.fast_zero && !unit.write_same)
            return Status{block::Outcome::pass, ENOTSUP};
        break;
    case Operation::trim: // advice that the unit does not take is taken by doing nothing
        if (!unit.unmap)
            return Status::success();
        break;
    case Operation::cache:
        return Status::success();
    case Operation::block_status:
        if (!unit.tells_status)
            return all_allocated(request_);
        break;
    default:
        break;
    }
    return next(session, unit);
}

std::optional<Status> IscsiJob::proceed(IscsiSession &session, ScsiUnit &unit, Piece &piece,
                                        const block::ScsiOutcome &outcome, std::uint32_t moved) noexcept {
    piece.job_ = nullptr;
    --under_way_;
    if (failure_)
        return next(session, unit);
    if (sent_ == Operation::block_status)
        return tell_status(unit, outcome, std::min(moved, piece.data_));
    if (outcome.clear_capability && (sent_ == Operation::trim || sent_ == Operation::write_zeroes)) {
        begun_ -= piece.stretch_;
        return without(session, unit);
    }
    const bool moves_data = sent_ == Operation::read || sent_ == Operation::write;
    if (!outcome.status.ok())
        failure_ = outcome.status;
    else if (moves_data && moved != piece.data_)
        failure_ = Status::path_error(EIO); // "good", and not everything came or was taken
    return next(session, unit);
}

std::optional<Status> IscsiJob::tell_status(ScsiUnit &unit, const block::ScsiOutcome &outcome,
                                            std::uint32_t data) noexcept {
    if (outcome.clear_capability)
        unit.tells_status = false;
    else if (outcome.status.is_path_error() || outcome.status.outcome == block::Outcome::retry)
        return outcome.status;
    request_.extents->clear();
    if (outcome.status.ok())
        read_lba_status(std::span<const std::byte>(parameters_).first(data),
                        {request_.offset, request_.length, unit.geometry.minimum_block, unit.reads_zeroes},
                        *request_.extents);
    return request_.extents->list().empty() ? all_allocated(request_)
                                            : Status::success(); // one answer will do
}

/// The unit refused the command as such.
std::optional<Status> IscsiJob::without(IscsiSession &session, ScsiUnit &unit) noexcept {
    if (sent_ == Operation::trim) {
        unit.unmap = false;
        return Status::success();
    }
    if (unmaps_)
        unit.same_unmaps = false;
    else if (!unit.short_same)
        unit.short_same = true;
    else
        unit.write_same = false;
    if (request_.fast_zero && begun_ == 0 && !unit.write_same)
        return Status{block::Outcome::pass, ENOTSUP};
    return next(session, unit);
}

std::optional<Status> IscsiJob::next(IscsiSession &session, const ScsiUnit &unit) noexcept {
    while (!failure_ && begun_ < request_.length && under_way_ < most_at_once())
        issue_stretch(session, unit);
    if (under_way_ != 0)
        return std::nullopt;
    if (failure_)
        return failure_;
    if (!needs_flush(unit))
        return Status::success();
    flushed_ = true;
    sent_ = Operation::flush;
    issue(session, scsi::synchronize_cache(), 0);
    return std::nullopt;
}

std::size_t IscsiJob::most_at_once() const noexcept {
    const bool moves_data = request_.operation == Operation::read || request_.operation == Operation::write;
    return moves_data ? pieces_.size() : 1;
}

void IscsiJob::issue(IscsiSession &session, const ScsiCommand &command, std::uint64_t stretch) noexcept {
    Piece &piece = *std::ranges::find(pieces_, nullptr, &Piece::job_);
    piece.job_ = this;
    piece.stretch_ = stretch;
    piece.data_ = command.length;
    begun_ += stretch;
    ++under_way_;
    session.issue(piece, command);
}

/// Of what is left, as much as one command takes.
ScsiRange IscsiJob::range_of(const ScsiUnit &unit, std::uint32_t most) const noexcept {
    const std::uint32_t block = unit.geometry.minimum_block;
    const std::uint64_t left = (request_.length - begun_) / block;
    return {.first = (request_.offset + begun_) / block,
            .count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, most))};
}

void IscsiJob::issue_stretch(IscsiSession &session, const ScsiUnit &unit) noexcept {
    const std::uint32_t block = unit.geometry.minimum_block;
    sent_ = request_.operation;
    switch (request_.operation) {
    case Operation::read: {
        const ScsiRange range = range_of(unit, unit.best_moved);
        const std::uint32_t bytes = range.count * block;
        return issue(session, scsi::read(range, request_.data + begun_, bytes), bytes);
    }
    case Operation::block_status:
        return issue(session,
                     scsi::get_lba_status(request_.offset / block, parameters_.data(),
                                          static_cast<std::uint32_t>(parameters_.size())),
                     request_.length);
    case Operation::trim: {
        const ScsiRange range = range_of(unit, unit.most_unmapped);
        return issue(session, scsi::unmap(range, parameters_.data()), std::uint64_t{range.count} * block);
    }
    case Operation::write_zeroes:
        if (unit.write_same) {
            unmaps_ = unit.same_unmaps && !request_.no_hole;
            const ScsiRange range = range_of(unit, unit.most_same);
            return issue(session, scsi::write_same(range, unit.short_same, unmaps_, zeroes.data(), block),
                         std::uint64_t{range.count} * block);
        }
        break;
    default:
        break;
    }
    issue_write(session, unit);
}

void IscsiJob::issue_write(IscsiSession &session, const ScsiUnit &unit) noexcept {
    const bool is_zeroes = request_.operation == Operation::write_zeroes;
    const std::uint32_t block = unit.geometry.minimum_block;
    const auto prepared = static_cast<std::uint32_t>(zeroes.size()) / block;
    const ScsiRange range = range_of(unit, is_zeroes ? std::min(unit.best_moved, prepared) : unit.best_moved);
    const std::uint32_t bytes = range.count * block;
    std::byte *const data = is_zeroes ? zeroes.data() : request_.data + begun_;
    sent_ = Operation::write;
    issue(session, scsi::write(range, request_.fua && unit.fua, data, bytes), bytes);
}

} // namespace backend
