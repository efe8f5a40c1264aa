// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_order.hpp"

#include "base/text.hpp"
#include "fakes/refusal.hpp"

#include <doctest/doctest.h>

using block::ScsiOrder;

namespace {

ScsiOrder parse(std::string_view text) { return block::parse_scsi_order(base::split_words(text)); }

std::string refusal(std::string_view text) {
    return fakes::refusal_of([&] { return parse(text); });
}

} // namespace

TEST_CASE("an order is a direction of data and a command, in one word or several") {
    const ScsiOrder in = parse("in 36 12 00 00 00 24 00");
    CHECK(in.in == 36);
    CHECK(in.out.empty());
    CHECK(in.block.size() == 6);
    CHECK(in.block[4] == std::byte{0x24});
    const ScsiOrder out = parse("out aBcD 5f000000000000000200");
    CHECK(out.in == 0);
    CHECK(out.out == std::vector{std::byte{0xab}, std::byte{0xcd}});
    CHECK(out.block.size() == 10);
    CHECK(parse("none 000000000000").block.size() == 6);
    CHECK(parse("none 85060000000000000000000000400000").block.size() == 16);
    CHECK(parse("none c00000000000000000").block.size() == 9); // of a vendor's own form
}

TEST_CASE("what is no order is refused by what is wrong with it") {
    CHECK(refusal("") == "usage: sg_io {in N|out HEX|none} CDB-HEX");
    CHECK(refusal("in") == "usage: sg_io {in N|out HEX|none} CDB-HEX");
    CHECK(refusal("up 12") == "'up' is no direction of data: in, out or none");
    CHECK(refusal("in 0 120000002400") == "'0' is no number of bytes from 1 to 65536");
    CHECK(refusal("in 65537 120000002400") == "'65537' is no number of bytes from 1 to 65536");
    CHECK(refusal("out 1 2a000000000000000100") == "the data has half a byte: an odd number of digits, 1");
    CHECK(refusal("out 0x 2a000000000000000100") == "the data '0x' is not hexadecimal");
    CHECK(refusal("none 12") == "a command has 6 to 16 bytes, not 1");
    CHECK(refusal("none") == "a command has 6 to 16 bytes, not 0");
    CHECK(refusal("none 12000000240000") == "command 12 has 6 bytes, not 7");
}

TEST_CASE("commands that only ask are known, and those that change blocks") {
    CHECK(block::only_asks(parse("none 000000000000")));
    CHECK(block::only_asks(parse("in 8 5e000000000000000800")));
    CHECK(block::only_asks(parse("in 32 9e100000000000000000000000200000")));
    CHECK_FALSE(block::only_asks(parse("in 32 9e1f0000000000000000000000200000")));
    CHECK_FALSE(block::only_asks(parse("out 00 280000000000000001 00")));
    CHECK_FALSE(block::only_asks(parse("none c00000000000")));
    CHECK_FALSE(block::only_asks(parse("none 1b0000000000")));
    for (const char *text : {"2a000000000000000100", "8a000000000000000000000000010000",
                             "42000000000000001800", "93000000000000000000000000010000", "040000000000"}) {
        CAPTURE(text);
        CHECK(block::changes_blocks(parse(std::string("none ") + text)));
        CHECK_FALSE(block::only_asks(parse(std::string("none ") + text)));
    }
    CHECK_FALSE(block::changes_blocks(parse("none 35000000000000000000")));
    CHECK_FALSE(block::changes_blocks(parse("in 512 28000000000000000100")));
}
