// SPDX-License-Identifier: BSD-3-Clause
#include "block/reservation.hpp"

#include "block/scsi_text.hpp"

#include <doctest/doctest.h>

using block::ReserveIn;
using block::ReserveOut;
using Lines = std::vector<std::string>;

namespace {

std::vector<std::byte> bytes(std::string_view hexadecimal) {
    std::vector<std::byte> result;
    for (std::size_t at = 0; at + 1 < hexadecimal.size(); at += 2)
        result.push_back(
            static_cast<std::byte>(std::stoi(std::string(hexadecimal.substr(at, 2)), nullptr, 16)));
    return result;
}

} // namespace

TEST_CASE("questions are a command with room for the answer") {
    const block::ScsiOrder keys = block::reserve_in_order(ReserveIn::keys);
    CHECK(block::hexadecimal(keys.block) == "5e000000000000200000");
    CHECK(keys.in == 8192);
    CHECK(keys.out.empty());
    CHECK(block::hexadecimal(block::reserve_in_order(ReserveIn::full_status, 258).block) ==
          "5e030000000000010200");
}

TEST_CASE("changes are a command with both keys behind it") {
    const block::ScsiOrder order = block::reserve_out_order(
        {.action = ReserveOut::preempt_abort, .key = 0x123abc, .service_key = 0x1122334455667788, .type = 5});
    CHECK(block::hexadecimal(order.block) == "5f050500000000001800");
    CHECK(block::hexadecimal(order.out) == "0000000000123abc"
                                           "1122334455667788"
                                           "0000000000000000");
    CHECK(order.in == 0);
    const block::ScsiOrder flags = block::reserve_out_order({.action = ReserveOut::register_ignore,
                                                             .service_key = 1,
                                                             .keep_through_power_loss = true,
                                                             .all_target_ports = true});
    CHECK(block::hexadecimal(flags.block) == "5f060000000000001800");
    CHECK(std::to_integer<unsigned>(flags.out[20]) == 5);
}

TEST_CASE("registered keys are read, as many as came") {
    const auto answer = bytes("00000007"
                              "00000010"
                              "0000000000123abc"
                              "00000000000000de");
    CHECK(block::reserve_in_lines(ReserveIn::keys, answer) ==
          Lines{"PR generation=0x7, registered keys: 2", "    0x123abc", "    0xde"});
    const std::vector<std::byte> cut_off(answer.begin(), answer.end() - 1);
    CHECK(block::read_registered_keys(cut_off).keys == std::vector<std::uint64_t>{0x123abc});
    CHECK(block::read_registered_keys({}).keys.empty());
}

TEST_CASE("a reservation is read, or that there is none") {
    const auto answer = bytes("00000002"
                              "00000010"
                              "0000000000123abc"
                              "0000000000050000");
    CHECK(block::reserve_in_lines(ReserveIn::reservation, answer) ==
          Lines{"PR generation=0x2, reserved", "    Key = 0x123abc",
                "    scope = LU_SCOPE, type = Write Exclusive, registrants only"});
    CHECK(block::read_reservation(answer).type == 5);
    CHECK(block::reserve_in_lines(ReserveIn::reservation, bytes("0000000200000000")) ==
          Lines{"PR generation=0x2, not reserved"});
    CHECK_FALSE(block::read_reservation({}).held);
}

TEST_CASE("the full status names who is registered and who holds it") {
    const auto answer = bytes("00000003"
                              "00000040"
                              "0000000000000001"
                              "00000000"
                              "01050000"
                              "00000002"
                              "0000000c"
                              "45000008"
                              "69716e2e61000000"
                              "0000000000000002"
                              "00000000"
                              "02000000"
                              "00000000"
                              "00000004"
                              "06001122");
    CHECK(block::reserve_in_lines(ReserveIn::full_status, answer) ==
          Lines{"PR generation=0x3", "    Key = 0x1", "      relative port: 2",
                "      holds the reservation, scope = LU_SCOPE, type = Write Exclusive, registrants only",
                "      initiator: iqn.a", "    Key = 0x2", "      all target ports",
                "      does not hold the reservation", "      initiator: protocol 6 001122"});
    // A length that lies neither loops nor reads beyond the end.
    CHECK(block::reserve_in_lines(ReserveIn::full_status, bytes("00000003ffffffff0000000000000001"
                                                                "0000000001050000000000020fffffff"))
              .size() == 5);
}

TEST_CASE("capabilities are numbers") {
    const Lines lines = block::reserve_in_lines(ReserveIn::capabilities, bytes("00080481a0000000"));
    CHECK(lines[0] == "compatible reservation handling (CRH): 0");
    CHECK(lines[2] == "all target ports (ATP_C): 1");
    CHECK(lines[4] == "persist through power loss active (PTPL_A): 1");
    CHECK(lines[5] == "type mask valid (TMV): 1");
    CHECK(lines[8] == "    Write Exclusive, registrants only: 1");
    CHECK(lines[6] == "    Write Exclusive: 0");
}
