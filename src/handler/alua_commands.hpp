// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_bytes.hpp"
#include "block/scsi_port.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace handler {

/// How a unit can be reached through a target port group, in the numbers of SCSI (SPC).
enum class AccessState : std::uint8_t {
    optimized = 0,
    non_optimized = 1,
    standby = 2,
    unavailable = 3,
    lba_dependent = 4,
    offline = 14,
    transitioning = 15,
};
/// "active/optimized", "standby"…
std::string_view name_of(AccessState state) noexcept;
/// Whether requests may be sent there.
constexpr bool takes_requests(AccessState state) noexcept {
    return state <= AccessState::non_optimized || state == AccessState::lba_dependent ||
           state == AccessState::transitioning;
}

/// Bits of the states that a group supports, as reported.
inline constexpr std::uint8_t supports_optimized = 0x01;
inline constexpr std::uint8_t supports_every_state = 0xff;

/// What one group's descriptor says.
struct PortGroupFacts {
    std::uint16_t id = 0;
    AccessState state = AccessState::optimized;
    bool preferred = false;
    std::uint8_t supported = supports_every_state;

    bool operator==(const PortGroupFacts &) const = default;
};

/// The answer to REPORT TARGET PORT GROUPS, as much of it as came: some targets state a length that is too
/// small, and the last group's list of ports is then cut off.
struct PortGroupReport {
    std::vector<PortGroupFacts> groups;
    /// How long a change of state may take; 255 s where nothing else is said.
    std::chrono::seconds transition_timeout{255};
    std::size_t full_size = 0; ///< what the whole answer takes
};
PortGroupReport parse_port_groups(block::ScsiBytes data);

block::ScsiOrder report_port_groups(std::uint32_t length, bool extended);
/// The group becomes active/optimized; the array sees to the others.
block::ScsiOrder set_port_group(std::uint16_t id);
block::ScsiOrder test_unit_ready();

} // namespace handler
