// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/scsi_port.hpp"

#include <vector>

namespace backend {

/// The SCSI side of a path that may be dropped: stays while the real one behind it goes and comes. Faults
/// other than a dropped connection do not concern it.
class FaultPort final : public block::ScsiPort, private block::ScsiListener {
public:
    explicit FaultPort(base::Scheduler &scheduler) noexcept;
    ~FaultPort();

    /// `real` is there from now on; nullptr: it is going, and ends what it has.
    void lead_to(block::ScsiPort *real) noexcept;

    void execute(block::ScsiOrder order, Ended ended) override;
    [[nodiscard]] const block::ScsiFacts *facts() const noexcept override {
        return real_ == nullptr ? nullptr : real_->facts();
    }
    void set_transition_timeout(std::chrono::seconds timeout) noexcept override;
    /// Nothing waits for its `ended` here.
    [[nodiscard]] bool empty() const noexcept { return refused_.empty(); }

private:
    void answered(const block::ScsiResult &result) noexcept override { tell(result); }
    void deliver() noexcept;

    base::Scheduler &scheduler_;
    block::ScsiPort *real_ = nullptr;
    std::vector<Ended> refused_;
    base::Task deliver_;
};

} // namespace backend
