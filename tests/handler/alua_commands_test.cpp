// SPDX-License-Identifier: BSD-3-Clause
#include "handler/alua_commands.hpp"

#include <doctest/doctest.h>
#include <initializer_list>

using handler::AccessState;
using handler::PortGroupFacts;

namespace {
using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<unsigned> values) {
    Bytes result;
    for (const unsigned value : values)
        result.push_back(static_cast<std::byte>(value));
    return result;
}

handler::PortGroupReport report_of(const Bytes &data) {
    return handler::parse_port_groups(block::ScsiBytes(data));
}

// Two groups with a port each, the first standby and preferred.
const Bytes two_groups =
    bytes({0, 0, 0, 0x18, 0x82, 0xdf, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0xdf, 0, 2, 0, 2, 0, 1, 0, 0, 0, 2});
const PortGroupFacts first{.id = 1, .state = AccessState::standby, .preferred = true, .supported = 0xdf};
const PortGroupFacts second{
    .id = 2, .state = AccessState::non_optimized, .preferred = false, .supported = 0xdf};

Bytes with_header(Bytes plain, unsigned seconds) {
    const Bytes header = bytes({0x10, seconds, 0, 0});
    plain.insert(plain.begin() + 4, header.begin(), header.end());
    plain[3] = std::byte{0x1c};
    return plain;
}
} // namespace

TEST_CASE("a report of target port groups is understood") {
    const auto report = report_of(two_groups);
    CHECK(report.groups == std::vector{first, second});
    CHECK(report.transition_timeout.count() == 255);
    CHECK(report.full_size == 28);
}

TEST_CASE("a report with the extended header tells how long a transition may take") {
    CHECK(report_of(with_header(two_groups, 40)).groups == std::vector{first, second});
    CHECK(report_of(with_header(two_groups, 40)).transition_timeout.count() == 40);
    CHECK(report_of(with_header(two_groups, 0)).transition_timeout.count() == 255);
}

TEST_CASE("a group whose list of ports is cut off counts, one whose descriptor is cut off does not") {
    Bytes cut = with_header(two_groups, 0);
    cut[3] = std::byte{0x18}; // and the last four bytes do not come
    CHECK(report_of(cut).groups == std::vector{first, second});
    cut.resize(28);
    CHECK(report_of(cut).groups == std::vector{first, second});
    cut.resize(27);
    CHECK(report_of(cut).groups == std::vector{first});
}

TEST_CASE("a short report, or none, has no groups") {
    for (std::size_t size = 0; size < 12; ++size) {
        Bytes cut = two_groups;
        cut.resize(size);
        CHECK(report_of(cut).groups.empty());
    }
    CHECK(report_of(bytes({0, 0, 0, 0, 0x82, 0, 0, 1, 0, 0, 0, 1})).groups.empty());
}

TEST_CASE("a list of ports that claims to be endless ends the report") {
    Bytes endless = two_groups;
    endless[11] = std::byte{0xff};
    endless[0] = std::byte{0xff};
    CHECK(report_of(endless).groups == std::vector{first});
}

TEST_CASE("the commands are SCSI's") {
    const block::ScsiOrder report = handler::report_port_groups(0x1234, true);
    CHECK(report.block == bytes({0xa3, 0x2a, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 0}));
    CHECK(report.in == 0x1234);
    CHECK(handler::report_port_groups(128, false).block[1] == std::byte{0x0a});
    const block::ScsiOrder change = handler::set_port_group(0x0102);
    CHECK(change.block == bytes({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}));
    CHECK(change.out == bytes({0, 0, 0, 0, 0, 0, 1, 2}));
    CHECK(handler::test_unit_ready().block == bytes({0, 0, 0, 0, 0, 0}));
}

TEST_CASE("requests go to groups that take them") {
    for (const auto state : {AccessState::optimized, AccessState::non_optimized, AccessState::lba_dependent,
                             AccessState::transitioning})
        CHECK(handler::takes_requests(state));
    for (const auto state :
         {AccessState::standby, AccessState::unavailable, AccessState::offline, static_cast<AccessState>(9)})
        CHECK(!handler::takes_requests(state));
    CHECK(name_of(AccessState::optimized) == "active/optimized");
    CHECK(name_of(static_cast<AccessState>(9)) == "unknown");
}
