// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_pulse.hpp"

#include "io/worker.hpp"

#include <algorithm>

namespace backend {

namespace {
constexpr int answers_at_once = 1024;
constexpr std::uint32_t least_block = 512;
} // namespace

NbdPulse::NbdPulse(io::Worker &worker, NbdConnection &connection, const Times &times,
                   base::Delegate<> silent) noexcept
    : worker_(worker)
    , connection_(connection)
    , times_(times)
    , silent_(silent)
    , timer_(worker, base::Delegate<>::to<&NbdPulse::look>(*this)) {}

void NbdPulse::start() {
    running_ = true;
    begin_ = worker_.now();
    if (times_.stall.count() != 0 && times_.idle.count() != 0 && connection_.geometry().size != 0)
        timer_.start_in(times_.idle);
}

void NbdPulse::watch() {
    if (times_.stall.count() == 0)
        return;
    const base::TimePoint first_look = worker_.now() + times_.stall / 4;
    if (!timer_.active() || timer_.when() > first_look)
        timer_.start_at(first_look);
}

void NbdPulse::stop() noexcept {
    timer_.cancel();
    running_ = asked_ = false;
    if (linked())
        unlink();
}

void NbdPulse::look() noexcept {
    // Perhaps it was us who stood still: what lies in the socket is a sign of life.
    connection_.take_answers(answers_at_once);
    if (!running_)
        return;
    if (!connection_.busy()) {
        look_at_idle();
        return;
    }
    const base::TimePoint heard = connection_.heard();
    const base::TimePoint now = worker_.now();
    if (now - heard >= times_.stall) {
        silent_();
        return;
    }
    if (!asked_ && now - heard >= times_.stall / 4)
        ask();
    timer_.start_at(asked_ ? heard + times_.stall : heard + times_.stall / 4);
}

void NbdPulse::look_at_idle() {
    if (times_.idle.count() == 0 || connection_.geometry().size == 0)
        return; // the next request starts the timer again
    const base::TimePoint due = std::max(connection_.heard(), begin_) + times_.idle;
    if (due > worker_.now()) {
        timer_.start_at(due);
        return;
    }
    ask();
    timer_.start_in(times_.stall);
}

void NbdPulse::ask() noexcept {
    const block::Geometry &disk = connection_.geometry();
    const auto size = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::max(disk.minimum_block, least_block), disk.size));
    asked_ = true; // whatever comes of it: it is not tried again and again
    if (size == 0)
        return;
    if (block_size_ < size) {
        block_ = std::make_unique<std::byte[]>(size);
        block_size_ = size;
    }
    const NbdConnection::Order order{block::Operation::read, block_.get(), size, 0, 0, nullptr};
    (void)connection_.issue(*this, order);
}

} // namespace backend
