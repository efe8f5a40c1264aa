// SPDX-License-Identifier: BSD-3-Clause
#include "backend/scsi_unit.hpp"

#include "backend/scsi_command.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

namespace {

using backend::ScsiUnit;

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
    std::vector<std::byte> result;
    for (const unsigned value : values)
        result.push_back(static_cast<std::byte>(value));
    return result;
}

/// READ CAPACITY(16) of so many blocks.
std::vector<std::byte> capacity(unsigned last, unsigned block, unsigned exponent = 0) {
    return bytes({0, 0, 0, 0, 0, 0, last >> 8, last & 0xff, block >> 24, block >> 16 & 0xff,
                  block >> 8 & 0xff, block & 0xff, 0, exponent, 0, 0});
}

} // namespace

TEST_CASE("size and blocks are those of READ CAPACITY(16)") {
    ScsiUnit unit;
    CHECK(unit.take_capacity(capacity(1023, 512, 3)).empty());
    CHECK(unit.geometry.size == 1024 * 512);
    CHECK(unit.geometry.minimum_block == 512);
    CHECK(unit.geometry.preferred_block == 4096);
    CHECK(unit.best_moved == 256);
    CHECK(unit.take_capacity(capacity(255, 4096)).empty());
    CHECK(unit.best_moved == 32);
    CHECK(unit.geometry.size == 1 << 20);
    CHECK(unit.geometry.minimum_block == 4096);
}

TEST_CASE("a unit with odd blocks, or whose answer is cut off, is of no use") {
    ScsiUnit unit;
    CHECK_FALSE(unit.take_capacity(capacity(9, 520)).empty());
    CHECK_FALSE(unit.take_capacity(capacity(9, 256)).empty());
    CHECK_FALSE(unit.take_capacity(capacity(9, 131072)).empty());
    CHECK_FALSE(unit.take_capacity(bytes({0, 0, 0, 0})).empty());
    CHECK_FALSE(unit.take_capacity({}).empty());
    auto endless = capacity(9, 512);
    endless[0] = std::byte{0xff};
    CHECK_FALSE(unit.take_capacity(endless).empty());
}

TEST_CASE("only a disk that is there is used") {
    CHECK(ScsiUnit().take_inquiry(bytes({0, 0})).empty());
    CHECK(ScsiUnit().take_inquiry(bytes({0x7f})) == "the target has no such unit");
    CHECK(ScsiUnit().take_inquiry(bytes({0x20})) == "the target has no such unit");
    CHECK(ScsiUnit().take_inquiry({}) == "the target has no such unit");
    CHECK(ScsiUnit().take_inquiry(bytes({0x0c})) == "the unit is not a disk (its device type is 0ch)");
}

TEST_CASE("the best name of the unit is its identity") {
    ScsiUnit unit;
    unit.take_identification(bytes({0,    0x83, 0, 25,                              //
                                    0x02, 0x01, 0, 5,  'A',  ' ',  'B',  '\n', ' ', //
                                    0x01, 0x03, 0, 3,  0x60, 0x01, 0xff,            // the best one
                                    0x01, 0x14, 0, 1,  1,                           // of the port
                                    0x01, 0x02, 0, 0}));
    CHECK(unit.facts.wwid == "naa.6001ff");
    ScsiUnit other;
    other.take_identification(bytes({0, 0x83, 0, 9, 0x02, 0x01, 0, 5, 'A', ' ', 'B', '\n', ' '}));
    CHECK(other.facts.wwid == "t10.A_B");
    ScsiUnit folded;
    folded.take_identification(bytes({0, 0x83, 0, 9, 0x02, 0x01, 0, 5, ' ', 'A', ' ', ' ', 'B'}));
    CHECK(folded.facts.wwid == "t10.A_B");
    ScsiUnit third;
    third.take_identification(bytes({0, 0x83, 0, 6, 0x01, 0x02, 0, 2, 0xab, 0x01}));
    CHECK(third.facts.wwid == "eui.ab01");
}

TEST_CASE("the serial number belongs to the identity") {
    ScsiUnit unit;
    CHECK(unit.identity().empty());
    unit.take_serial(bytes({0, 0x80, 0, 4, ' ', ' ', 'S', '1'}));
    CHECK(unit.identity() == "serial S1");
    unit.take_identification(bytes({0, 0x83, 0, 6, 0x01, 0x03, 0, 2, 0x60, 0x01}));
    CHECK(unit.identity() == "naa.6001 serial S1");
    unit.take_serial(bytes({0, 0x80, 0, 99, 'X'}));
    CHECK(unit.facts.serial == "X");
    unit.take_serial(bytes({0, 0x80}));
    CHECK(unit.facts.serial == "X");
}

TEST_CASE("a designator that goes beyond the page is not read") {
    ScsiUnit unit;
    unit.take_identification(bytes({0, 0x83, 0, 99, 0x01, 0x03, 0, 9, 0x60}));
    CHECK(unit.facts.wwid.empty());
    unit.take_identification(bytes({0, 0x83}));
    CHECK(unit.facts.wwid.empty());
}

TEST_CASE("the limits of the unit and ours bound a command") {
    ScsiUnit unit;
    REQUIRE(unit.take_capacity(capacity(1023, 512)).empty());
    std::vector<std::byte> page(64);
    unit.take_limits(page);
    CHECK(unit.best_moved == 256);
    CHECK(unit.most_same == 65535);
    page[11] = std::byte{128};
    page[23] = std::byte{64};
    page[43] = std::byte{32};
    unit.take_limits(page);
    CHECK(unit.best_moved == 128);
    CHECK(unit.most_unmapped == 64);
    CHECK(unit.most_same == 32);
    unit.take_limits(bytes({0, 0xb0, 0, 60}));
    CHECK(unit.best_moved == 128);
}

TEST_CASE("a long transfer goes in pieces of what the unit likes best") {
    ScsiUnit unit;
    REQUIRE(unit.take_capacity(capacity(1023, 512)).empty());
    std::vector<std::byte> page(64);
    const auto likes = [&](unsigned blocks) {
        page[14] = static_cast<std::byte>(blocks >> 8);
        page[15] = static_cast<std::byte>(blocks & 0xff);
        REQUIRE(unit.take_capacity(capacity(1023, 512)).empty());
        unit.take_limits(page);
        return unit.best_moved;
    };
    CHECK(likes(0) == 256);
    CHECK(likes(8) == 256); // 4 KiB: it does not mean it
    CHECK(likes(128) == 128);
    CHECK(likes(2048) == 2048);
    CHECK(likes(65535) == 8192);
    page[10] = std::byte{1}; // takes no more than 256
    CHECK(likes(2048) == 256);
}

TEST_CASE("what the unit can do is read from its pages") {
    ScsiUnit unit;
    CHECK(unit.volatile_cache);
    unit.take_caching(bytes({20, 0, 0x90, 0, 0x08, 18, 0x00, 0}));
    CHECK(unit.geometry.read_only);
    CHECK(unit.fua);
    CHECK_FALSE(unit.volatile_cache);
    unit.take_caching(bytes({20, 0, 0x00, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 18, 0x04, 0}));
    CHECK_FALSE(unit.geometry.read_only);
    CHECK_FALSE(unit.fua);
    CHECK(unit.volatile_cache);
    unit.take_provisioning(bytes({0, 0xb2, 0, 4, 0, 0xc4, 0, 0}));
    CHECK(unit.unmap);
    CHECK(unit.same_unmaps);
    CHECK(unit.tells_status);
    CHECK(unit.reads_zeroes);
    unit.take_provisioning(bytes({0, 0xb2, 0, 4, 0, 0x40, 0, 0}));
    CHECK_FALSE(unit.unmap);
    CHECK_FALSE(unit.same_unmaps);
    CHECK(unit.tells_status);
    CHECK_FALSE(unit.reads_zeroes);
    unit.take_provisioning(bytes({0, 0xb2, 0, 4, 0, 0x48, 0, 0})); // a pattern of its own
    CHECK_FALSE(unit.reads_zeroes);
    unit.take_provisioning(bytes({0, 0xb2, 0, 4, 0, 0x04, 0, 0})); // nothing can be unmapped
    CHECK_FALSE(unit.tells_status);
    unit.take_characteristics(bytes({0, 0xb1, 0, 60, 0x1c, 0x20}));
    CHECK(unit.geometry.rotational);
    unit.take_characteristics(bytes({0, 0xb1, 0, 60, 0, 1}));
    CHECK_FALSE(unit.geometry.rotational);
}

TEST_CASE("a unit that knows only the short form of its capacity is used as far as that can tell") {
    ScsiUnit unit;
    CHECK(unit.take_short_capacity(bytes({0, 0, 0, 7, 0, 0, 2, 0})).empty());
    CHECK(unit.geometry.size == 4096);
    CHECK(unit.geometry.minimum_block == 512);
    CHECK(unit.take_short_capacity(bytes({0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0})) ==
          "the unit is larger than it can tell");
}

TEST_CASE("commands name their range in blocks") {
    const auto block_of = [](const backend::ScsiCommand &command) {
        return std::vector<std::byte>(command.block.begin(), command.block.begin() + command.block_size);
    };
    CHECK(block_of(backend::scsi::write({0x0102030405060708, 0x10}, true, nullptr, 8192)) ==
          bytes({0x8a, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0x10, 0, 0}));
    CHECK(block_of(backend::scsi::write({0x01020304, 0x10}, true, nullptr, 8192)) ==
          bytes({0x2a, 0x08, 1, 2, 3, 4, 0, 0, 0x10, 0}));
    CHECK(block_of(backend::scsi::read({0xffffffff, 1}, nullptr, 512)) ==
          bytes({0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0}));
    CHECK(block_of(backend::scsi::read({0xffffffff, 2}, nullptr, 1024))[0] == std::byte{0x88});
    CHECK(block_of(backend::scsi::read({0, 0x10000}, nullptr, 0))[0] == std::byte{0x88});
    CHECK(block_of(backend::scsi::write_same({1, 2}, false, true, nullptr, 512))[0] == std::byte{0x93});
    CHECK(block_of(backend::scsi::write_same({1, 2}, true, true, nullptr, 512)) ==
          bytes({0x41, 0x08, 0, 0, 0, 1, 0, 0, 2, 0}));
    CHECK(block_of(backend::scsi::synchronize_cache()) == bytes({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    std::vector<std::byte> list(backend::scsi::unmap_length, std::byte{0xff});
    const auto unmap = backend::scsi::unmap({0x0102, 0x0304}, list.data());
    CHECK(list == bytes({0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0}));
    CHECK(unmap.block_size == 10);
    CHECK(unmap.block[8] == std::byte{24});
}
