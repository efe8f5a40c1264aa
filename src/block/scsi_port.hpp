// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "block/scsi_status.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace block {

/// A SCSI command as somebody makes it by hand, beside the requests of clients.
struct ScsiOrder {
    std::vector<std::byte> block; ///< the command descriptor block, 6 to 16 bytes
    std::vector<std::byte> out;   ///< data for the unit
    std::uint32_t in = 0;         ///< bytes of data expected from it; not both
    std::chrono::milliseconds patience{30000};
};

struct ScsiReply {
    // What stands in result.status when the unit's status byte does not.
    static constexpr int not_sent = -1; ///< the path is down, or the order is of no form
    static constexpr int lost = -2;     ///< the path was lost meanwhile: perhaps carried out, perhaps not
    static constexpr int overdue = -3;  ///< no answer within `patience`: it may still be carried out

    ScsiResult result;
    std::vector<std::byte> data;  ///< as much as came
    std::vector<std::byte> sense; ///< as it came; empty: none
};

/// What a unit says of itself and of the port it is seen through.
struct ScsiFacts {
    std::string wwid; ///< "naa.…", "eui.…" or "t10.…" (VPD page 83h); empty: it says none
    std::string serial;
    std::uint8_t device_type = 0;
    /// Of target port groups (standard inquiry data): 0 none, 1 implicit, 2 explicit, 3 both.
    std::uint8_t port_groups = 0;
    std::optional<std::uint16_t> port_group;    ///< of this path (VPD page 83h, designator 5)
    std::optional<std::uint16_t> relative_port; ///< (designator 4)
};

/// Hears of each command that did not simply succeed, whoever sent it. May call execute(), not the path.
class ScsiListener : public base::ListHook {
public:
    virtual void answered(const ScsiResult &result) noexcept = 0;

protected:
    ~ScsiListener() = default;
};

/// The SCSI side of a device that has one (Device::scsi()). On the device's worker; outlives no device.
class ScsiPort {
public:
    using Ended = std::function<void(const ScsiReply &)>;

    ScsiPort() = default;
    ScsiPort(const ScsiPort &) = delete;
    ScsiPort &operator=(const ScsiPort &) = delete;

    /// Sends a command, whatever state the map is in. `ended` is called exactly once, from the loop, never
    /// inside this; at the latest when the device is closed. Never repeated by itself. Not for the hot path.
    virtual void execute(ScsiOrder order, Ended ended) = 0;
    /// nullptr while the path is down.
    [[nodiscard]] virtual const ScsiFacts *facts() const noexcept = 0;

    /// How long a change of the unit's access state may take, as it says itself: until then requests that
    /// meet one are tried again.
    virtual void set_transition_timeout(std::chrono::seconds timeout) noexcept {
        transition_timeout_ = timeout;
    }
    [[nodiscard]] std::chrono::seconds transition_timeout() const noexcept { return transition_timeout_; }

    /// Until it is unlinked.
    void listen(ScsiListener &listener) noexcept { listeners_.push_back(listener); }

protected:
    ~ScsiPort() = default;
    void tell(const ScsiResult &result) noexcept {
        listeners_.for_each([&](ScsiListener &listener) { listener.answered(result); });
    }

private:
    std::chrono::seconds transition_timeout_ = ScsiTimeouts{}.transition;
    base::List<ScsiListener> listeners_;
};

} // namespace block
