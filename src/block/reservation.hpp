// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// SCSI persistent reservations: the commands, and what their answers say. Pure.
namespace block {

using ReservationKey = std::uint64_t; ///< 0: none

enum class ReserveIn : std::uint8_t { keys = 0, reservation = 1, capabilities = 2, full_status = 3 };

enum class ReserveOut : std::uint8_t {
    register_key = 0,
    reserve = 1,
    release = 2,
    clear = 3,
    preempt = 4,
    preempt_abort = 5,
    register_ignore = 6, ///< whatever key is registered
};

/// One command that changes registrations or the reservation.
struct ReserveOutOrder {
    ReserveOut action = ReserveOut::register_key;
    ReservationKey key = 0;         ///< that is registered already
    ReservationKey service_key = 0; ///< the new one, or the one to be preempted
    std::uint8_t type = 0;
    bool keep_through_power_loss = false; ///< APTPL
    bool all_target_ports = false;        ///< ALL_TG_PT
};

[[nodiscard]] ScsiOrder reserve_in_order(ReserveIn action, std::uint16_t length = 8192);
[[nodiscard]] ScsiOrder reserve_out_order(const ReserveOutOrder &what);

/// Of the types 1, 3, 5, 6, 7, 8: "Write Exclusive, registrants only"; empty: there is no such type.
[[nodiscard]] std::string_view reservation_type_name(unsigned type) noexcept;
/// Whether every registered nexus holds such a reservation.
[[nodiscard]] constexpr bool all_registrants_hold(unsigned type) noexcept { return type == 7 || type == 8; }

struct RegisteredKeys {
    std::uint32_t generation = 0; ///< grows with each change; starts again with the target
    std::vector<ReservationKey> keys;
};
[[nodiscard]] RegisteredKeys read_registered_keys(const std::vector<std::byte> &answer);

struct Reservation {
    std::uint32_t generation = 0;
    bool held = false;
    ReservationKey key = 0;
    std::uint8_t scope = 0;
    std::uint8_t type = 0;
};
[[nodiscard]] Reservation read_reservation(const std::vector<std::byte> &answer);

/// What an answer says, for people and scripts.
[[nodiscard]] std::vector<std::string> reserve_in_lines(ReserveIn action,
                                                        const std::vector<std::byte> &answer);

} // namespace block
