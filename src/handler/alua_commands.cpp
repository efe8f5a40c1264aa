// SPDX-License-Identifier: BSD-3-Clause
#include "handler/alua_commands.hpp"

#include <algorithm>

namespace handler {

namespace {

using namespace std::chrono_literals;

// MAINTENANCE IN and OUT, with the service action that is about target port groups.
constexpr std::byte maintenance_in{0xa3};
constexpr std::byte maintenance_out{0xa4};
constexpr std::byte target_port_groups{0x0a};
constexpr std::byte with_extended_header{0x20};

constexpr std::size_t group_size = 8; ///< without its ports
constexpr std::size_t port_size = 4;
constexpr auto command_patience = 60s;
constexpr auto change_patience = 255s;

} // namespace

std::string_view name_of(AccessState state) noexcept {
    switch (state) {
    case AccessState::optimized:
        return "active/optimized";
    case AccessState::non_optimized:
        return "active/non-optimized";
    case AccessState::standby:
        return "standby";
    case AccessState::unavailable:
        return "unavailable";
    case AccessState::lba_dependent:
        return "lba-dependent";
    case AccessState::offline:
        return "offline";
    case AccessState::transitioning:
        return "transitioning";
    }
    return "unknown";
}

PortGroupReport parse_port_groups(block::ScsiBytes data) {
    PortGroupReport report;
    report.full_size = 4 + std::size_t{data.number<std::uint32_t>(0)};
    const std::size_t end = std::min(data.size(), report.full_size);
    const bool extended = (data.byte(4) >> 4 & 7U) == 1;
    if (const unsigned seconds = data.byte(5); extended && seconds != 0)
        report.transition_timeout = std::chrono::seconds(seconds);
    for (std::size_t at = extended ? 8 : 4; at + group_size <= end;
         at += group_size + port_size * data.byte(at + 7)) {
        report.groups.push_back({.id = data.number<std::uint16_t>(at + 2),
                                 .state = static_cast<AccessState>(data.byte(at) & 0xfU),
                                 .preferred = data.bit(at, 7),
                                 .supported = data.byte(at + 1)});
    }
    return report;
}

block::ScsiOrder report_port_groups(std::uint32_t length, bool extended) {
    block::ScsiOrder order;
    order.block.resize(12);
    order.block[0] = maintenance_in;
    order.block[1] = target_port_groups | (extended ? with_extended_header : std::byte{0});
    for (unsigned i = 0; i < 4; ++i)
        order.block[6 + i] = static_cast<std::byte>(length >> (24 - 8 * i) & 0xffU);
    order.in = length;
    order.patience = command_patience;
    return order;
}

block::ScsiOrder set_port_group(std::uint16_t id) {
    block::ScsiOrder order;
    order.out.resize(8);
    order.out[4] = static_cast<std::byte>(AccessState::optimized);
    order.out[6] = static_cast<std::byte>(id >> 8);
    order.out[7] = static_cast<std::byte>(id & 0xffU);
    order.block.resize(12);
    order.block[0] = maintenance_out;
    order.block[1] = target_port_groups;
    order.block[9] = static_cast<std::byte>(order.out.size());
    order.patience = change_patience; // some answer when the change is over
    return order;
}

block::ScsiOrder test_unit_ready() {
    block::ScsiOrder order;
    order.block.resize(6);
    return order;
}

} // namespace handler
