// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_job.hpp"

#include <algorithm>
#include <array>
#include <libnbd.h>

namespace backend {

namespace {

using block::Operation;
using block::Status;

// Lengths on the wire have 32 bits; shorter, so that one command never keeps a slow server busy for long.
constexpr std::uint64_t longest_effect = std::uint64_t{128} << 20;
constexpr std::uint64_t longest_question = std::uint64_t{1} << 30;

// What is written where the server cannot write zeroes by itself. Never changed; libnbd only reads it.
std::array<std::byte, 256 << 10> zeroes;

} // namespace

bool NbdJob::needs_flush(const NbdAbilities &abilities) const noexcept {
    if (request_.operation == Operation::flush)
        return abilities.flush;
    return request_.fua && request_.changes_data() && !abilities.fua && abilities.flush;
}

std::optional<Status> NbdJob::begin(NbdConnection &connection) noexcept {
    const NbdAbilities &abilities = connection.abilities();
    if (request_.changes_data() && connection.geometry().read_only)
        return Status::target_error(EPERM);
    if (request_.operation == Operation::write_zeroes && request_.fast_zero && !abilities.fast_zero)
        return Status{block::Outcome::pass, ENOTSUP};
    // Advice that the server does not take is taken by doing nothing.
    if ((request_.operation == Operation::trim && !abilities.trim) ||
        (request_.operation == Operation::cache && !abilities.cache))
        return Status::success();
    if (request_.operation == Operation::block_status) {
        request_.extents->clear();
        if (!abilities.block_status)
            return allocated();
    }
    return next(connection);
}

// A server that does not know is no reason to fail: this is always true enough.
Status NbdJob::allocated() noexcept {
    request_.extents->clear();
    request_.extents->add(request_.length, block::Extents::allocated);
    return Status::success();
}

std::optional<Status> NbdJob::proceed(NbdConnection &connection, int error) noexcept {
    const Status status = block::classify_nbd_error(error, request_.changes_data());
    if (request_.operation == Operation::block_status && !status.is_path_error())
        return status.ok() && !request_.extents->list().empty() ? status : allocated(); // one answer will do
    if (!status.ok())
        return status;
    done_ += piece_;
    return next(connection);
}

std::optional<Status> NbdJob::next(NbdConnection &connection) noexcept {
    NbdConnection::Order order{};
    if (stage_ == Stage::pieces && done_ < request_.length) {
        order = next_piece(connection);
    } else if (stage_ != Stage::done && needs_flush(connection.abilities())) {
        stage_ = Stage::done;
        order.operation = Operation::flush;
    } else {
        return Status::success();
    }
    piece_ = order.length;
    const int refused = connection.issue(*this, order);
    if (refused != 0)
        return block::classify_nbd_error(refused, request_.changes_data());
    return std::nullopt;
}

NbdConnection::Order NbdJob::next_piece(const NbdConnection &connection) const noexcept {
    const NbdAbilities &abilities = connection.abilities();
    const std::uint64_t payload = connection.geometry().maximum_payload;
    const std::uint64_t left = request_.length - done_;
    NbdConnection::Order order{request_.operation, request_.data, 0, request_.offset + done_, 0,
                               request_.extents};
    if (request_.fua && request_.changes_data() && abilities.fua)
        order.flags |= LIBNBD_CMD_FLAG_FUA;
    switch (request_.operation) {
    case Operation::read:
    case Operation::write:
        order.data += done_;
        order.length = std::min(left, payload);
        break;
    case Operation::cache: // qemu-nbd limits it like a payload
        order.length = std::min(left, payload);
        break;
    case Operation::write_zeroes:
        if (!abilities.zero) {
            order.operation = Operation::write;
            order.data = zeroes.data();
            order.length = std::min({left, payload, std::uint64_t{zeroes.size()}});
            break;
        }
        if (request_.no_hole)
            order.flags |= LIBNBD_CMD_FLAG_NO_HOLE;
        // Once the first piece was fast the rest is done in any case: half of it zeroed helps nobody.
        if (request_.fast_zero && done_ == 0)
            order.flags |= LIBNBD_CMD_FLAG_FAST_ZERO;
        [[fallthrough]];
    case Operation::trim:
    case Operation::flush:
        order.length = std::min(left, longest_effect);
        break;
    case Operation::block_status:
        order.length = std::min(left, longest_question);
        break;
    }
    return order;
}

} // namespace backend
