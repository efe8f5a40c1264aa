// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_pulse.hpp"

#include "io/worker.hpp"

#include <algorithm>

namespace backend {

namespace {
constexpr int answers_at_once = 1024;
constexpr std::uint32_t least_block = 512;
} // namespace

NbdPulse::NbdPulse(io::Worker &worker, NbdConnection &connection, base::Duration stall_timeout,
                   base::Delegate<> silent) noexcept
    : worker_(worker)
    , connection_(connection)
    , stall_timeout_(stall_timeout)
    , silent_(silent)
    , timer_(worker, base::Delegate<>::to<&NbdPulse::look>(*this)) {}

void NbdPulse::stop() noexcept {
    timer_.cancel();
    asked_ = false;
    if (linked())
        unlink();
}

void NbdPulse::look() noexcept {
    // Perhaps it was us who stood still: what lies in the socket is a sign of life.
    connection_.take_answers(answers_at_once);
    if (!connection_.busy())
        return; // the next request starts the timer again
    const base::TimePoint heard = connection_.heard();
    const base::TimePoint now = worker_.now();
    if (now - heard >= stall_timeout_) {
        silent_();
        return;
    }
    if (!asked_ && now - heard >= stall_timeout_ / 4)
        ask();
    timer_.start_at(asked_ ? heard + stall_timeout_ : heard + stall_timeout_ / 4);
}

void NbdPulse::ask() noexcept {
    const block::Geometry &disk = connection_.geometry();
    const std::uint32_t size = std::max(disk.minimum_block, least_block);
    asked_ = true; // whatever comes of it: it is not tried again and again
    if (disk.size < size)
        return;
    if (block_size_ < size) {
        block_ = std::make_unique<std::byte[]>(size);
        block_size_ = size;
    }
    const NbdConnection::Order order{block::Operation::read, block_.get(), size, 0, 0, nullptr};
    (void)connection_.issue(*this, order);
}

} // namespace backend
