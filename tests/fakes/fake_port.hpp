// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/scsi_bytes.hpp"
#include "block/scsi_port.hpp"

#include <map>
#include <utility>
#include <vector>

namespace fakes {

/// A unit that knows persistent reservations as far as registrations go, for every port that leads to it.
struct FakeRegistrations {
    std::map<const void *, std::uint64_t> keys; ///< by port
    std::uint32_t generation = 0;

    block::ScsiReply answer(const void *port, const block::ScsiOrder &order) {
        block::ScsiReply reply;
        const block::ScsiBytes block(order.block);
        if (block.byte(0) == 0x5e) {
            append(reply.data, generation, 4);
            append(reply.data, keys.size() * 8, 4);
            for (const auto &[nexus, key] : keys)
                append(reply.data, key, 8);
        } else if (block.byte(0) == 0x5f && block.byte(1) == 6) {
            const auto key = block::ScsiBytes(order.out).number<std::uint64_t>(8);
            ++generation;
            if (key == 0)
                keys.erase(port);
            else
                keys[port] = key;
        } else if (block.byte(0) != 0) { // TEST UNIT READY
            reply.result = {.status = 2, .has_sense = true, .key = 5, .asc = 0x20};
        }
        return reply;
    }

private:
    static void append(std::vector<std::byte> &bytes, std::uint64_t number, unsigned length) {
        for (unsigned i = length; i-- > 0;)
            bytes.push_back(static_cast<std::byte>(number >> (8 * i) & 0xff));
    }
};

/// One way to it. Answers from the loop; first with `before`, one after the other.
class FakePort final : public block::ScsiPort {
public:
    FakePort(base::Scheduler &scheduler, FakeRegistrations &unit)
        : scheduler_(scheduler)
        , unit_(unit) {}
    void execute(block::ScsiOrder order, Ended ended) override {
        block::ScsiReply reply;
        if (!before.empty()) {
            reply.result = before.front();
            before.erase(before.begin());
        } else {
            reply = unit_.answer(this, order);
        }
        operations.push_back(std::to_integer<unsigned>(order.block[0]) << 8 |
                             std::to_integer<unsigned>(order.block[1]));
        ended_.emplace_back(std::move(ended), std::move(reply));
        if (!holding)
            scheduler_.post(deliver_);
    }
    [[nodiscard]] const block::ScsiFacts *facts() const noexcept override { return &facts_; }
    void release() {
        holding = false;
        scheduler_.post(deliver_);
    }

    std::vector<block::ScsiResult> before;
    std::vector<unsigned> operations; ///< operation code and service action of each command
    bool holding = false;

private:
    void deliver() noexcept {
        for (const auto &[ended, reply] : std::exchange(ended_, {}))
            ended(reply);
    }

    base::Scheduler &scheduler_;
    FakeRegistrations &unit_;
    block::ScsiFacts facts_;
    std::vector<std::pair<Ended, block::ScsiReply>> ended_;
    base::Task deliver_{base::Delegate<>::to<&FakePort::deliver>(*this)};
};

} // namespace fakes
