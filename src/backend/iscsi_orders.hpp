// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_pulse.hpp"
#include "backend/iscsi_session.hpp"
#include "backend/scsi_unit.hpp"
#include "base/scheduler.hpp"
#include "block/scsi_port.hpp"

#include <list>

namespace backend {

/// The commands that somebody gives a unit by hand, beside the requests: the SCSI side of an iSCSI path.
class IscsiOrders final : public block::ScsiPort {
public:
    IscsiOrders(base::Scheduler &scheduler, IscsiSession &session, IscsiPulse &pulse) noexcept;
    ~IscsiOrders();

    void execute(block::ScsiOrder order, Ended ended) override;
    [[nodiscard]] const block::ScsiFacts *facts() const noexcept override {
        return unit_ == nullptr ? nullptr : &unit_->facts;
    }

    /// The session is ready; the unit is the owner's, until end().
    void begin(const ScsiUnit &unit) noexcept { unit_ = &unit; }
    /// After the session was stopped: what is under way ends as lost.
    void end() noexcept;
    /// `command` is an order.
    void answered(IscsiSession::Command &command, const IscsiSession::Answer &answer) noexcept;
    /// A command that was somebody else's was answered.
    void overheard(const block::ScsiResult &result) noexcept {
        if (result.status != 0)
            tell(result);
    }
    /// Nothing is under way or waits for its `ended`.
    [[nodiscard]] bool empty() const noexcept { return sent_.empty() && ended_.empty(); }

private:
    /// An order that is overdue stays until the session has ended: its data may still be used.
    struct Order : IscsiSession::Command {
        Order(block::ScsiOrder what, Ended whom);
        block::ScsiOrder order;
        Ended ended;
        block::ScsiReply reply;
        base::TimePoint due{};
        bool told = false;
    };
    using Orders = std::list<Order>;

    void finish(Orders &from, Orders::iterator order) noexcept;
    void look() noexcept;
    void deliver() noexcept;

    base::Scheduler &scheduler_;
    IscsiSession &session_;
    IscsiPulse &pulse_;
    const ScsiUnit *unit_ = nullptr;
    Orders sent_;
    Orders ended_; ///< in order of their ends, not told yet
    base::Task deliver_;
    base::Timer overdue_;
};

} // namespace backend
