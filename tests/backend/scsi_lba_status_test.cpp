// SPDX-License-Identifier: BSD-3-Clause
#include "backend/scsi_lba_status.hpp"

#include "wire/big_endian.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

namespace {

struct Stretch {
    std::uint64_t first;
    std::uint32_t count;
    unsigned provisioning;
};

std::vector<std::byte> answer(const std::vector<Stretch> &stretches) {
    std::vector<std::byte> bytes(8 + 16 * stretches.size());
    wire::store(bytes.data(), static_cast<std::uint32_t>(bytes.size() - 4));
    for (std::size_t i = 0; i < stretches.size(); ++i) {
        std::byte *at = bytes.data() + 8 + 16 * i;
        wire::store(wire::store(at, stretches[i].first), stretches[i].count);
        at[12] = static_cast<std::byte>(stretches[i].provisioning);
    }
    return bytes;
}

/// "4096:0 512:3"
std::string read(const std::vector<std::byte> &bytes, bool reads_zeroes = true, std::uint64_t offset = 4096,
                 std::uint64_t length = 8192) {
    std::array<block::Extent, 4> room{};
    block::Extents extents(room);
    backend::read_lba_status(bytes, {offset, length, 512, reads_zeroes}, extents);
    std::string text;
    for (const block::Extent &extent : extents.list())
        text +=
            (text.empty() ? "" : " ") + std::to_string(extent.length) + ":" + std::to_string(extent.state);
    return text;
}

} // namespace

TEST_CASE("what is not mapped is a hole, and zero where the unit says so") {
    const auto bytes = answer({{8, 4, 0}, {12, 4, 1}, {16, 4, 2}, {20, 4, 0}});
    CHECK(read(bytes) == "2048:0 2048:3 2048:2 2048:0");
    CHECK(read(bytes, false) == "2048:0 2048:1 4096:0");
    CHECK(read(answer({{8, 16, 7}})) == "8192:0");
}

TEST_CASE("only what was asked for is told") {
    CHECK(read(answer({{0, 1000, 1}})) == "8192:3");
    CHECK(read(answer({{0, 12, 1}, {12, 0xffffffff, 0}})) == "2048:3 6144:0");
    const std::uint64_t far = std::uint64_t{1} << 60;
    CHECK(read(answer({{far / 512, 0xffffffff, 1}}), true, far, 4096) == "4096:3");
}

TEST_CASE("an answer ends where it is cut off or makes no sense") {
    auto bytes = answer({{8, 4, 1}, {12, 12, 0}});
    bytes.resize(bytes.size() - 1);
    CHECK(read(bytes) == "2048:3");
    CHECK(read(answer({{9, 4, 1}})).empty());
    CHECK(read(answer({{0, 8, 1}})).empty());
    CHECK(read(answer({{8, 0, 1}})).empty());
    CHECK(read(answer({{8, 4, 1}, {16, 4, 1}})) == "2048:3");
    CHECK(read(answer({{8, 1, 0}, {9, 1, 1}, {10, 1, 0}, {11, 1, 1}, {12, 9, 0}})) ==
          "512:0 512:3 512:0 512:3");
    CHECK(read({}).empty());
    bytes = answer({{8, 4, 1}, {12, 12, 0}});
    wire::store(bytes.data(), std::uint32_t{20});
    CHECK(read(bytes) == "2048:3");
    wire::store(bytes.data(), std::uint32_t{0xffffffff});
    CHECK(read(bytes) == "2048:3 6144:0");
}
