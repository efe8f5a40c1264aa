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

std::optional<Status> IscsiJob::proceed(IscsiSession &session, ScsiUnit &unit,
                                        const block::ScsiOutcome &outcome, std::uint32_t moved) noexcept {
    if (sent_ == Operation::block_status)
        return tell_status(unit, outcome, moved);
    if (outcome.clear_capability && (sent_ == Operation::trim || sent_ == Operation::write_zeroes))
        return without(session, unit);
    if (!outcome.status.ok())
        return outcome.status;
    const bool moves_data = sent_ == Operation::read || sent_ == Operation::write;
    if (moves_data && moved != data_)
        return Status::path_error(EIO); // "good", and not everything came or was taken
    done_ += piece_;
    return next(session, unit);
}

std::optional<Status> IscsiJob::tell_status(ScsiUnit &unit, const block::ScsiOutcome &outcome,
                                            std::uint32_t moved) noexcept {
    if (outcome.clear_capability)
        unit.tells_status = false;
    else if (outcome.status.is_path_error() || outcome.status.outcome == block::Outcome::retry)
        return outcome.status;
    request_.extents->clear();
    if (outcome.status.ok())
        read_lba_status(std::span<const std::byte>(parameters_).first(std::min<std::size_t>(moved, data_)),
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
    if (request_.fast_zero && done_ == 0 && !unit.write_same)
        return Status{block::Outcome::pass, ENOTSUP};
    return next(session, unit);
}

std::optional<Status> IscsiJob::next(IscsiSession &session, const ScsiUnit &unit) noexcept {
    ScsiCommand command;
    if (done_ < request_.length) {
        command = next_piece(unit);
    } else if (needs_flush(unit)) {
        flushed_ = true;
        sent_ = Operation::flush;
        piece_ = 0;
        command = scsi::synchronize_cache();
    } else {
        return Status::success();
    }
    data_ = command.length;
    session.issue(*this, command);
    return std::nullopt;
}

ScsiCommand IscsiJob::next_piece(const ScsiUnit &unit) noexcept {
    const std::uint32_t block = unit.geometry.minimum_block;
    const std::uint64_t left = (request_.length - done_) / block;
    const auto at_most = [&](std::uint32_t most) {
        const ScsiRange range{(request_.offset + done_) / block,
                              static_cast<std::uint32_t>(std::min<std::uint64_t>(left, most))};
        piece_ = std::uint64_t{range.count} * block;
        return range;
    };
    sent_ = request_.operation;
    switch (request_.operation) {
    case Operation::read: {
        const ScsiRange range = at_most(unit.most_moved);
        return scsi::read(range, request_.data + done_, static_cast<std::uint32_t>(piece_));
    }
    case Operation::block_status:
        piece_ = request_.length;
        return scsi::get_lba_status(request_.offset / block, parameters_.data(),
                                    static_cast<std::uint32_t>(parameters_.size()));
    case Operation::trim: {
        const ScsiRange range = at_most(unit.most_unmapped);
        return scsi::unmap(range, parameters_.data());
    }
    case Operation::write_zeroes:
        if (unit.write_same) {
            unmaps_ = unit.same_unmaps && !request_.no_hole;
            const ScsiRange range = at_most(unit.most_same);
            return scsi::write_same(range, unit.short_same, unmaps_, zeroes.data(), block);
        }
        break;
    default:
        break;
    }
    sent_ = Operation::write;
    const bool is_zeroes = request_.operation == Operation::write_zeroes;
    const auto prepared = static_cast<std::uint32_t>(zeroes.size()) / block;
    const ScsiRange range = at_most(is_zeroes ? std::min(unit.most_moved, prepared) : unit.most_moved);
    return scsi::write(range, request_.fua && unit.fua, is_zeroes ? zeroes.data() : request_.data + done_,
                       static_cast<std::uint32_t>(piece_));
}

} // namespace backend
