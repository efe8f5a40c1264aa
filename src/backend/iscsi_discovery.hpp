// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace backend {

/// In which state a target port group is (SPC-4, RTPG).
struct PortGroupState {
    std::uint8_t state = 0; ///< as the unit says it: 0 active/optimized, 1 active/non-optimized, 2 standby…
    bool preferred = false;
    bool operator==(const PortGroupState &) const = default;
};
/// Of that group, in the answer to REPORT TARGET PORT GROUPS with a short header; nothing: it is not there.
std::optional<PortGroupState> port_group_state(std::span<const std::byte> answer,
                                               std::uint16_t group) noexcept;

/// The units in the answer to REPORT LUNS that an `iscsi:` path can name, in order.
std::vector<int> units_in(std::span<const std::byte> answer);

/// A unit as it is seen through one portal.
struct FoundUnit {
    std::string portal; ///< "10.0.0.1:3260"
    std::string target;
    int lun = 0;
    std::string user;        ///< as whom we were let in
    std::string target_user; ///< who the target proved to be
    std::string product;     ///< vendor and product
    block::ScsiFacts facts;
    std::string identity; ///< its name and serial number; empty: it says neither
    std::uint64_t size = 0;
    std::optional<PortGroupState> state; ///< of its port's group
    std::string problem;                 ///< why it cannot be used; empty: it can
};

struct Discovered {
    std::vector<FoundUnit> units;
    std::vector<std::string> problems; ///< with portals and targets as a whole
};

/// Asks the portals (`iscsi://[user[%secret]@]host[:port][?target_user=…]`) for their targets, and each of
/// those, through each portal that it names, for its units. Waits, until the deadline at most or `wanted`
/// turns false. Throws base::Error(EINVAL) for what is no such URI.
Discovered discover_iscsi(std::span<const std::string> uris, const std::string &initiator,
                          std::chrono::steady_clock::time_point deadline, const std::atomic<bool> &wanted);
/// Throws as discover_iscsi() does.
void check_portal_uri(std::string_view uri);

} // namespace backend
