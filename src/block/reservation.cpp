// SPDX-License-Identifier: BSD-3-Clause
#include "block/reservation.hpp"

#include "block/scsi_bytes.hpp"
#include "block/scsi_text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace block {

namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t parameter_length = 24;
constexpr std::size_t header = 8;
constexpr std::size_t key_length = 8;

void store(std::vector<std::byte> &bytes, std::size_t at, std::uint64_t number, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i)
        bytes[at + i] = static_cast<std::byte>(number >> (8 * (length - 1 - i)) & 0xff);
}

/// What follows the header, by its length and by what came.
ScsiBytes list_of(ScsiBytes answer) noexcept { return answer.part(header, answer.number<std::uint32_t>(4)); }

std::string head(std::uint32_t generation) { return fmt::format("PR generation=0x{:x}", generation); }

std::string type_text(unsigned scope, unsigned type) {
    const std::string_view name = reservation_type_name(type);
    return fmt::format("scope = {}, type = {}", scope == 0 ? "LU_SCOPE" : std::to_string(scope),
                       name.empty() ? std::to_string(type) : name);
}

Lines key_lines(const std::vector<std::byte> &answer) {
    const RegisteredKeys registered = read_registered_keys(answer);
    Lines lines{fmt::format("{}, registered keys: {}", head(registered.generation), registered.keys.size())};
    for (const ReservationKey key : registered.keys)
        lines.push_back(fmt::format("    0x{:x}", key));
    return lines;
}

Lines reservation_lines(const std::vector<std::byte> &answer) {
    const Reservation reservation = read_reservation(answer);
    if (!reservation.held)
        return {head(reservation.generation) + ", not reserved"};
    return {head(reservation.generation) + ", reserved", fmt::format("    Key = 0x{:x}", reservation.key),
            "    " + type_text(reservation.scope, reservation.type)};
}

Lines capability_lines(const std::vector<std::byte> &answer) {
    struct Flag {
        std::string_view name;
        std::size_t byte;
        unsigned bit;
    };
    constexpr Flag flags[] = {
        {"compatible reservation handling (CRH)", 2, 4},
        {"specify initiator ports (SIP_C)", 2, 3},
        {"all target ports (ATP_C)", 2, 2},
        {"persist through power loss (PTPL_C)", 2, 0},
        {"persist through power loss active (PTPL_A)", 3, 0},
    };
    constexpr unsigned types[] = {1, 3, 5, 6, 7, 8};
    const ScsiBytes data(answer);
    Lines lines;
    for (const Flag &flag : flags)
        lines.push_back(fmt::format("{}: {}", flag.name, data.bit(flag.byte, flag.bit) ? 1 : 0));
    const bool tells_types = data.bit(3, 7);
    lines.push_back(fmt::format("type mask valid (TMV): {}", tells_types ? 1 : 0));
    const auto mask = static_cast<unsigned>(data.byte(4) | data.byte(5) << 8);
    for (const unsigned type : types)
        if (tells_types)
            lines.push_back(
                fmt::format("    {}: {}", reservation_type_name(type), (mask >> type & 1U) != 0 ? 1 : 0));
    return lines;
}

/// Of iSCSI: the initiator's name, with its session where that is told.
std::string initiator_text(ScsiBytes id) {
    constexpr unsigned iscsi = 5;
    return (id.byte(0) & 0xfU) == iscsi
               ? printable(id.part(4, id.number<std::uint16_t>(2)).bytes())
               : fmt::format("protocol {} {}", id.byte(0) & 0xfU, hexadecimal(id.from(1).bytes()));
}

Lines full_status_lines(const std::vector<std::byte> &answer) {
    constexpr std::size_t fixed = 24;
    const ScsiBytes whole(answer);
    const ScsiBytes data = list_of(whole);
    Lines lines{head(whole.number<std::uint32_t>(0))};
    for (std::size_t at = 0; at + fixed <= data.size();) {
        const ScsiBytes one = data.from(at);
        const bool all_ports = one.bit(12, 1);
        lines.push_back(fmt::format("    Key = 0x{:x}", one.number<std::uint64_t>(0)));
        lines.push_back(all_ports ? std::string("      all target ports")
                                  : fmt::format("      relative port: {}", one.number<std::uint16_t>(18)));
        lines.push_back(one.bit(12, 0) ? "      holds the reservation, " +
                                             type_text(one.byte(13) >> 4, one.byte(13) & 0xfU)
                                       : "      does not hold the reservation");
        const auto length = one.number<std::uint32_t>(20);
        lines.push_back("      initiator: " + initiator_text(one.part(fixed, length)));
        at += fixed + std::min<std::size_t>(length, data.size());
    }
    return lines;
}

} // namespace

ScsiOrder reserve_in_order(ReserveIn action, std::uint16_t length) {
    ScsiOrder order;
    order.block.resize(10);
    order.block[0] = std::byte{0x5e};
    order.block[1] = static_cast<std::byte>(action);
    store(order.block, 7, length, 2);
    order.in = length;
    return order;
}

ScsiOrder reserve_out_order(const ReserveOutOrder &what) {
    ScsiOrder order;
    order.block.resize(10);
    order.block[0] = std::byte{0x5f};
    order.block[1] = static_cast<std::byte>(what.action);
    order.block[2] = static_cast<std::byte>(what.type & 0xfU);
    store(order.block, 5, parameter_length, 4);
    order.out.resize(parameter_length);
    store(order.out, 0, what.key, key_length);
    store(order.out, 8, what.service_key, key_length);
    order.out[20] =
        static_cast<std::byte>((what.all_target_ports ? 4 : 0) | (what.keep_through_power_loss ? 1 : 0));
    return order;
}

std::string_view reservation_type_name(unsigned type) noexcept {
    switch (type) {
    case 1:
        return "Write Exclusive";
    case 3:
        return "Exclusive Access";
    case 5:
        return "Write Exclusive, registrants only";
    case 6:
        return "Exclusive Access, registrants only";
    case 7:
        return "Write Exclusive, all registrants";
    case 8:
        return "Exclusive Access, all registrants";
    default:
        return {};
    }
}

RegisteredKeys read_registered_keys(const std::vector<std::byte> &answer) {
    const ScsiBytes whole(answer);
    const ScsiBytes list = list_of(whole);
    RegisteredKeys result{whole.number<std::uint32_t>(0), {}};
    for (std::size_t at = 0; at + key_length <= list.size(); at += key_length)
        result.keys.push_back(list.number<ReservationKey>(at));
    return result;
}

Reservation read_reservation(const std::vector<std::byte> &answer) {
    const ScsiBytes whole(answer);
    const ScsiBytes one = list_of(whole);
    Reservation result;
    result.generation = whole.number<std::uint32_t>(0);
    result.held = one.size() >= 16;
    result.key = one.number<ReservationKey>(0);
    result.scope = static_cast<std::uint8_t>(one.byte(13) >> 4);
    result.type = one.byte(13) & 0xfU;
    return result;
}

std::vector<std::string> reserve_in_lines(ReserveIn action, const std::vector<std::byte> &answer) {
    switch (action) {
    case ReserveIn::keys:
        return key_lines(answer);
    case ReserveIn::reservation:
        return reservation_lines(answer);
    case ReserveIn::capabilities:
        return capability_lines(answer);
    case ReserveIn::full_status:
        return full_status_lines(answer);
    }
    return {};
}

} // namespace block
