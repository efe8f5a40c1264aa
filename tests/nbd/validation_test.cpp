// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/validation.hpp"

#include <doctest/doctest.h>

namespace {

using wire::Command;
using wire::Error;

constexpr std::uint64_t size = std::uint64_t{256} << 20;

Error check(Command command, std::uint64_t offset, std::uint64_t length, unsigned flags = 0,
            const block::Geometry &geometry = {.size = size}, const nbd::Agreement &agreement = {}) {
    return nbd::validate({.flags = static_cast<std::uint16_t>(flags),
                          .command = command,
                          .offset = offset,
                          .length = length},
                         geometry, agreement)
        .error;
}

} // namespace

TEST_CASE("an unknown command is invalid") {
    CHECK(check(Command{8}, 0, 512) == Error::einval);
    CHECK(check(Command{0xffff}, 0, 512) == Error::einval);
    CHECK(check(Command::block_status, 0, 512) == Error::einval);
}

TEST_CASE("a read-only export refuses changes before it looks at anything else") {
    const block::Geometry read_only{.size = size, .read_only = true};
    for (const Command command : {Command::write, Command::trim, Command::write_zeroes})
        CHECK(check(command, size, 1, 0x4000, read_only) == Error::eperm);
    CHECK(check(Command::read, 0, 512, 0, read_only) == Error::none);
    CHECK(check(Command::flush, 0, 0, 0, read_only) == Error::none);
}

TEST_CASE("flags must be legal for their command") {
    for (const Command command :
         {Command::read, Command::write, Command::trim, Command::cache, Command::write_zeroes}) {
        CHECK(check(command, 0, 512, wire::fua) == Error::none);
        CHECK(check(command, 0, 512, wire::df) == Error::einval);
        CHECK(check(command, 0, 512, wire::payload_length) == Error::einval);
        CHECK(check(command, 0, 512, 0x8000) == Error::einval);
    }
    CHECK(check(Command::write_zeroes, 0, 512, wire::no_hole | wire::fast_zero) == Error::none);
    CHECK(check(Command::write, 0, 512, wire::no_hole) == Error::einval);
    CHECK(check(Command::flush, 0, 0, wire::fua) == Error::none);
    CHECK(check(Command::flush, 0, 0, wire::df) == Error::einval);
}

TEST_CASE("flush takes neither offset nor length") {
    CHECK(check(Command::flush, 4096, 0) == Error::einval);
    CHECK(check(Command::flush, 0, 4096) == Error::einval);
}

TEST_CASE("a range beyond the end is refused without overflow") {
    CHECK(check(Command::write, size, 1) == Error::enospc);
    CHECK(check(Command::write_zeroes, size - 1, 2) == Error::enospc);
    CHECK(check(Command::write, 0xfffffffffffffe00, 0x400) == Error::enospc);
    for (const Command command : {Command::read, Command::trim, Command::cache}) {
        CHECK(check(command, size, 1) == Error::einval);
        CHECK(check(command, 0xfffffffffffffe00, 0x400) == Error::einval);
    }
    CHECK(check(Command::read, size - 512, 512) == Error::none);
}

TEST_CASE("a length of zero is invalid") {
    for (const Command command :
         {Command::read, Command::write, Command::trim, Command::cache, Command::write_zeroes})
        CHECK(check(command, 0, 0) == Error::einval);
}

TEST_CASE("offset and length are multiples of the minimum block for those who asked for it") {
    const block::Geometry coarse{.size = size, .minimum_block = 4096};
    const nbd::Agreement bound{.block_sizes = true};
    CHECK(check(Command::read, 4096, 4096, 0, coarse, bound) == Error::none);
    CHECK(check(Command::read, 512, 4096, 0, coarse, bound) == Error::einval);
    CHECK(check(Command::write, 4096, 512, 0, coarse, bound) == Error::einval);
    CHECK(check(Command::write, 4096, 512, 0, coarse) == Error::none);
    CHECK(check(Command::read, 1, 1, 0, coarse) == Error::none);
}

TEST_CASE("reads and writes have a longest length, effects have none") {
    CHECK(check(Command::read, 0, 64 << 20) == Error::none);
    CHECK(check(Command::read, 0, (64 << 20) + 1) == Error::einval);
    CHECK(check(Command::write, 0, (64 << 20) + 1) == Error::einval);
    CHECK(check(Command::trim, 0, 256 << 20) == Error::none);
    CHECK(check(Command::write_zeroes, 0, 256 << 20) == Error::none);
}

TEST_CASE("one chunk may be asked for where replies have chunks") {
    const nbd::Agreement structured{.dialect = wire::Dialect::structured};
    const block::Geometry small{.size = size, .maximum_payload = 4096};
    CHECK(check(Command::read, 0, 512, wire::df) == Error::einval);
    CHECK(check(Command::read, 0, 32 << 20, wire::df, {.size = size}, structured) == Error::none);
    CHECK(check(Command::read, 0, (32 << 20) + 1, wire::df, {.size = size}, structured) == Error::eoverflow);
    CHECK(check(Command::read, 0, 64 << 10, wire::df, small, structured) == Error::none);
    CHECK(check(Command::write, 0, 512, wire::df, {.size = size}, structured) == Error::einval);
}

TEST_CASE("a refusal says why") {
    CHECK(nbd::validate({.command = Command::read, .offset = size, .length = 1}, {.size = size}, {}).text ==
          "beyond the end of the export");
}

TEST_CASE("with extended headers a payload is announced, and only where it belongs") {
    const nbd::Agreement extended{.dialect = wire::Dialect::extended, .allocation = true};
    const block::Geometry usual{.size = size};
    CHECK(check(Command::write, 0, 512, wire::payload_length, usual, extended) == Error::none);
    CHECK(check(Command::write, 0, 512, 0, usual, extended) == Error::einval);
    for (const Command command :
         {Command::read, Command::trim, Command::cache, Command::write_zeroes, Command::flush})
        CHECK(check(command, 0, 512, wire::payload_length, usual, extended) == Error::einval);
    CHECK(check(Command::block_status, 0, 12, wire::payload_length, usual, extended) == Error::none);
    for (const std::uint64_t length : {0U, 4U, 8U, 11U, 13U, 16U})
        CHECK(check(Command::block_status, 0, length, wire::payload_length, usual, extended) ==
              Error::einval);
    const nbd::Agreement structured{.dialect = wire::Dialect::structured, .allocation = true};
    CHECK(check(Command::block_status, 0, 12, wire::payload_length, usual, structured) == Error::einval);
}

TEST_CASE("64-bit lengths are checked like short ones") {
    const nbd::Agreement extended{.dialect = wire::Dialect::extended, .allocation = true};
    const block::Geometry huge{.size = std::uint64_t{1} << 50};
    for (const Command command :
         {Command::trim, Command::cache, Command::write_zeroes, Command::block_status}) {
        CHECK(check(command, 4096, (std::uint64_t{1} << 50) - 4096, 0, huge, extended) == Error::none);
        CHECK(check(command, 4096, std::uint64_t{1} << 50, 0, huge, extended) != Error::none);
        CHECK(check(command, 4096, 0xffffffffffffffff, 0, huge, extended) != Error::none);
    }
    CHECK(check(Command::read, 0, std::uint64_t{1} << 32, 0, huge, extended) == Error::einval);
}
