// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"
#include "wire/codec.hpp"

namespace nbd {

/// The longest READ or WRITE that is taken, more than is advertised: some clients never ask. Devices split by
/// themselves what is longer than their own maximum.
inline constexpr std::uint32_t longest_payload = 64U << 20;
/// A refused WRITE is read to its end up to here; beyond, the connection is.
inline constexpr std::uint32_t longest_drained = longest_payload + (1U << 20);

/// What is wrong with a request, by the first rule it breaks; none when it may go to the device. Magic, DISC
/// and the drain limit are the session's. Pure.
[[nodiscard]] wire::Error validate(const wire::RequestHeader &header,
                                   const block::Geometry &geometry) noexcept;

/// Whether a payload follows the header.
[[nodiscard]] inline bool has_payload(const wire::RequestHeader &header) noexcept {
    return header.command == wire::Command::write;
}

/// The request in the words of a device; only for a valid header other than BLOCK_STATUS and DISC.
void describe(const wire::RequestHeader &header, block::Request &request) noexcept;

} // namespace nbd
