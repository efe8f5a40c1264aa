// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fault_port.hpp"

#include <cassert>
#include <utility>

namespace backend {

FaultPort::FaultPort(base::Scheduler &scheduler) noexcept
    : scheduler_(scheduler)
    , deliver_(base::Delegate<>::to<&FaultPort::deliver>(*this)) {}

FaultPort::~FaultPort() {
    assert(empty());
    if (linked())
        unlink();
}

void FaultPort::lead_to(block::ScsiPort *real) noexcept {
    if (linked())
        unlink();
    real_ = real;
    if (real_ == nullptr)
        return;
    real_->listen(*this);
    real_->set_transition_timeout(transition_timeout());
}

void FaultPort::set_transition_timeout(std::chrono::seconds timeout) noexcept {
    ScsiPort::set_transition_timeout(timeout);
    if (real_ != nullptr)
        real_->set_transition_timeout(timeout);
}

void FaultPort::execute(block::ScsiOrder order, Ended ended) {
    if (real_ != nullptr) {
        real_->execute(std::move(order), std::move(ended));
        return;
    }
    refused_.push_back(std::move(ended));
    scheduler_.post(deliver_);
}

void FaultPort::deliver() noexcept {
    block::ScsiReply reply;
    reply.result.status = block::ScsiReply::not_sent;
    for (const Ended &ended : std::exchange(refused_, {}))
        ended(reply);
}

} // namespace backend
