// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_text.hpp"

#include "block/scsi_inquiry.hpp"

#include <doctest/doctest.h>

using block::ScsiReply;
using Lines = std::vector<std::string>;

namespace {

std::vector<std::byte> bytes(std::initializer_list<unsigned> numbers) {
    std::vector<std::byte> result;
    for (const unsigned number : numbers)
        result.push_back(static_cast<std::byte>(number));
    return result;
}

std::vector<std::byte> with_text(std::vector<std::byte> head, std::string_view text) {
    for (const char each : text)
        head.push_back(static_cast<std::byte>(each));
    return head;
}

} // namespace

TEST_CASE("an answer is lines of keys and values") {
    ScsiReply reply;
    reply.data.assign(33, std::byte{0xa5});
    CHECK(block::scsi_reply_lines(reply) ==
          Lines{"status: 0x00 GOOD", "length: 33",
                "data: a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5", "data: a5"});
    ScsiReply refused;
    refused.result = {.status = 2, .has_sense = true, .key = 5, .asc = 0x24, .ascq = 0};
    refused.sense = bytes({0x70, 0, 5});
    CHECK(block::scsi_reply_lines(refused) == Lines{"status: 0x02 CHECK CONDITION", "sense: 700005",
                                                    "sense key: 0x5 ILLEGAL REQUEST", "asc: 0x24",
                                                    "ascq: 0x00", "length: 0"});
}

TEST_CASE("an end that is no success has a short text") {
    CHECK(block::scsi_end_text({.status = 0x18}) == "RESERVATION CONFLICT");
    CHECK(block::scsi_end_text({.status = 0x02, .has_sense = true, .key = 2, .asc = 4, .ascq = 0xb}) ==
          "NOT READY (2/04/0b)");
    CHECK(block::scsi_end_text({.status = 0x02}) == "CHECK CONDITION");
    CHECK(block::scsi_end_text({.status = 0x77}) == "status 0x77");
    CHECK(block::scsi_end_text({.status = ScsiReply::not_sent}) == "the path is down");
}

TEST_CASE("inquiry data is read, however short") {
    const auto head = bytes({0, 0, 5, 2, 31, 0x30, 0, 0});
    CHECK(block::inquiry_lines(with_text(head, "VENDOR  A disk\x01 of mine 1.0 ")) ==
          Lines{"vendor: VENDOR", "product: A disk  of mine", "revision: 1.0", "device type: 0x00 disk",
                "tpgs: implicit and explicit"});
    CHECK(block::inquiry_lines({}) ==
          Lines{"vendor: ", "product: ", "revision: ", "device type: 0x00 disk", "tpgs: none"});
    CHECK(block::serial_lines(with_text(bytes({0, 0x80, 0, 4}), "  S1 and more")) == Lines{"serial: S1"});
}

TEST_CASE("designators are read, up to one that is cut off") {
    const auto page =
        bytes({0, 0x83, 0, 0x23, 0x01, 0x03, 0,    8, 0x60, 1, 2, 3, 4, 5,    6,    7, 0x01, 0x14, 0,
               4, 0,    0, 0,    2,    0x01, 0x15, 0, 4,    0, 0, 1, 0, 0x02, 0x28, 0, 3,    'i',  'q'});
    CHECK(block::designator_lines(page) ==
          Lines{"designator: unit naa naa.6001020304050607", "designator: port relative-port 2",
                "designator: port port-group 256", "designator: target name iq"});
    CHECK(block::designator_lines({}).empty());
}

TEST_CASE("units are listed by number where they have one") {
    const auto answer = bytes({0,    0, 0, 24, 0, 0, 0, 0, 0,    1, 0, 0, 0, 0, 0, 0,
                               0x41, 2, 0, 0,  0, 0, 0, 0, 0xc1, 1, 0, 0, 0, 0, 0, 0});
    CHECK(block::lun_lines(answer) ==
          Lines{"lun: 1 0001000000000000", "lun: 258 4102000000000000", "lun: other c101000000000000"});
}
