// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_pulse.hpp"

#include "io/worker.hpp"

namespace backend {

IscsiPulse::IscsiPulse(io::Worker &worker, IscsiSession &session, const Times &times,
                       base::Delegate<> silent) noexcept
    : Command(Kind::own)
    , worker_(worker)
    , session_(session)
    , times_(times)
    , silent_(silent)
    , timer_(worker, base::Delegate<>::to<&IscsiPulse::look>(*this)) {}

void IscsiPulse::start() {
    running_ = true;
    asked_ = {};
    if (times_.stall.count() != 0 && times_.idle.count() != 0)
        timer_.start_in(times_.idle);
}

void IscsiPulse::watch() {
    if (times_.stall.count() == 0)
        return;
    const base::TimePoint first_look = worker_.now() + times_.stall / 4;
    if (!timer_.active() || timer_.when() > first_look)
        timer_.start_at(first_look);
}

void IscsiPulse::stop() noexcept {
    timer_.cancel();
    running_ = false;
}

void IscsiPulse::look() noexcept {
    // Perhaps it was us who stood still: what lies in the socket is a sign of life.
    session_.take_answers();
    const base::Duration patience = session_.busy() ? times_.stall / 4 : times_.idle;
    if (!running_ || patience.count() == 0)
        return; // the next command starts the timer again
    const base::TimePoint now = worker_.now();
    const bool asked = asked_ > session_.heard();
    const base::TimePoint due =
        asked ? asked_ + (times_.stall - times_.stall / 4) : session_.heard() + patience;
    if (due > now) {
        timer_.start_at(due);
    } else if (asked) {
        silent_();
    } else if (!session_.busy()) {
        session_.issue(*this, scsi::test_unit_ready());
        timer_.start_in(times_.stall / 4);
    } else {
        asked_ = now;
        session_.ping();
        timer_.start_in(times_.stall - times_.stall / 4);
    }
}

} // namespace backend
