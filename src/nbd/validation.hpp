// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"
#include "nbd/agreement.hpp"
#include "wire/codec.hpp"

#include <string_view>

namespace nbd {

/// The longest READ or WRITE that is taken, more than is advertised: some clients never ask. Devices split by
/// themselves what is longer than their own maximum.
inline constexpr std::uint32_t longest_payload = 64U << 20;
/// A refused WRITE is read to its end up to here; beyond, the connection is.
inline constexpr std::uint32_t longest_drained = longest_payload + (1U << 20);

/// BLOCK_STATUS whose payload says which contexts it is about: the length that is asked about, and a list,
/// which can be right only with the one context that there is.
inline constexpr std::size_t context_list_size = 12;
[[nodiscard]] inline bool is_context_list(const wire::RequestHeader &header) noexcept {
    return header.command == wire::Command::block_status && (header.flags & wire::payload_length) != 0;
}

/// Why a request does not go to the device. `text` is for the client and lives for ever.
struct Refusal {
    wire::Error error = wire::Error::none;
    std::string_view text{};
    explicit operator bool() const noexcept { return error != wire::Error::none; }
};

/// What is wrong with a request, by the first rule it breaks; none when it may go to the device. Magic, DISC
/// and the drain limit are the session's; the payload of a context list is not looked at. Pure.
[[nodiscard]] Refusal validate(const wire::RequestHeader &header, const block::Geometry &geometry,
                               const Agreement &agreement) noexcept;

/// The bytes that follow the header, whatever the command is.
[[nodiscard]] inline std::uint64_t payload_size(const wire::RequestHeader &header,
                                                wire::Dialect dialect) noexcept {
    const bool follows = dialect == wire::Dialect::extended ? (header.flags & wire::payload_length) != 0
                                                            : header.command == wire::Command::write;
    return follows ? header.length : 0;
}

/// The request in the words of a device; only for a valid header other than DISC.
void describe(const wire::RequestHeader &header, block::Request &request) noexcept;

} // namespace nbd
