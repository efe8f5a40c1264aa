// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/scsi_port.hpp"

#include <fmt/format.h>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace fakes {

inline block::ScsiReply good(std::vector<std::byte> data = {}) {
    block::ScsiReply reply;
    reply.data = std::move(data);
    return reply;
}
inline block::ScsiReply sense(std::uint8_t key, std::uint8_t asc, std::uint8_t ascq) {
    block::ScsiReply reply;
    reply.result = {.status = 2, .has_sense = true, .deferred = false, .key = key, .asc = asc, .ascq = ascq};
    return reply;
}
inline block::ScsiReply status(int status) {
    block::ScsiReply reply;
    reply.result.status = status;
    return reply;
}

/// A unit's SCSI side, which answers as a test says: from the loop, or not before release().
class FakeScsiPort final : public block::ScsiPort {
public:
    explicit FakeScsiPort(base::Scheduler &scheduler)
        : scheduler_(scheduler) {
        says.port_groups = 3;
        says.port_group = std::uint16_t{1};
    }

    void execute(block::ScsiOrder order, Ended ended) override {
        orders.push_back(order);
        waiting_.push_back({std::move(order), std::move(ended)});
        if (!holding)
            scheduler_.post(deliver_);
    }
    [[nodiscard]] const block::ScsiFacts *facts() const noexcept override { return up ? &says : nullptr; }

    /// Some command of somebody's ended so.
    void hear(const block::ScsiReply &reply) { tell(reply.result); }
    void release() {
        holding = false;
        scheduler_.post(deliver_);
    }
    void go_down() {
        up = false;
        scheduler_.post(deliver_);
    }
    /// The orders since the last call, by their operation codes: "a3 a4 00".
    std::string took() {
        std::string text;
        for (const block::ScsiOrder &order : std::exchange(orders, {}))
            text +=
                fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(order.block[0]));
        return text;
    }

    std::function<block::ScsiReply(const block::ScsiOrder &)> answer;
    block::ScsiFacts says;
    bool up = true;
    bool holding = false;
    std::vector<block::ScsiOrder> orders;

private:
    void deliver() noexcept {
        for (auto &[order, ended] : std::exchange(waiting_, {})) {
            const block::ScsiReply reply = !up      ? status(block::ScsiReply::lost)
                                           : answer ? answer(order)
                                                    : good();
            if (up && reply.result.status != 0)
                tell(reply.result);
            ended(reply);
        }
    }

    base::Scheduler &scheduler_;
    base::Task deliver_{base::Delegate<>::to<&FakeScsiPort::deliver>(*this)};
    std::vector<std::pair<block::ScsiOrder, Ended>> waiting_;
};

} // namespace fakes
