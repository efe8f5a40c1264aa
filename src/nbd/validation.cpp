// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/validation.hpp"

#include <algorithm>

namespace nbd {

using wire::Command;
using wire::Error;

namespace {

// A client may ask for so much in one chunk, however little the paths take at a time.
constexpr std::uint32_t always_in_one = 64U << 10;

struct Row {
    std::uint16_t legal_flags;
    bool changes;
    bool offered;
    bool carries_data;
    Error out_of_range;
    block::Operation operation;
};

// By command number. DISC never gets here.
constexpr Row rows[] = {
    {wire::fua, false, true, true, Error::einval, block::Operation::read},
    {wire::fua, true, true, true, Error::enospc, block::Operation::write},
    {0, false, false, false, Error::einval, block::Operation::read},
    {wire::fua, false, true, false, Error::einval, block::Operation::flush},
    {wire::fua, true, true, false, Error::einval, block::Operation::trim},
    {wire::fua, false, true, false, Error::einval, block::Operation::cache},
    {wire::fua | wire::no_hole | wire::fast_zero, true, true, false, Error::enospc,
     block::Operation::write_zeroes},
    {wire::fua | wire::req_one, false, true, false, Error::einval, block::Operation::block_status},
};

const Row *row_of(Command command) noexcept {
    const auto number = static_cast<std::size_t>(command);
    return number < std::size(rows) ? &rows[number] : nullptr;
}

} // namespace

namespace {

// Flags that are legal for the command in this conversation.
unsigned legal_flags(const Row &row, Command command, const Agreement &agreement) noexcept {
    unsigned flags = row.legal_flags;
    if (command == Command::read && agreement.dialect != wire::Dialect::simple)
        flags |= wire::df;
    if (agreement.dialect == wire::Dialect::extended &&
        (command == Command::write || command == Command::block_status))
        flags |= wire::payload_length;
    return flags;
}

Refusal check_range(const wire::RequestHeader &header, const Row &row, const block::Geometry &geometry,
                    const Agreement &agreement) noexcept {
    if (header.offset > geometry.size || header.length > geometry.size - header.offset)
        return {row.out_of_range, "beyond the end of the export"};
    if (header.length == 0)
        return {Error::einval, "a length of zero"};
    // Others did not hear of it: see ReadModifyWrite.
    if (agreement.block_sizes && ((header.offset | header.length) & (geometry.minimum_block - 1)) != 0)
        return {Error::einval, "not a multiple of the minimum block size"};
    if (row.carries_data && header.length > longest_payload)
        return {Error::einval, "more than 64 MiB of data"};
    return {};
}

} // namespace

Refusal validate(const wire::RequestHeader &header, const block::Geometry &geometry,
                 const Agreement &agreement) noexcept {
    const Row *row = row_of(header.command);
    if (row == nullptr)
        return {Error::einval, "an unknown command"};
    if (geometry.read_only && row->changes)
        return {Error::eperm, "the export is read-only"};
    if ((header.flags & ~legal_flags(*row, header.command, agreement)) != 0)
        return {Error::einval, "a flag that is not valid for this command"};
    if (!row->offered || (header.command == Command::block_status && !agreement.allocation))
        return {Error::einval, "a command that was not offered"};
    if (header.command == Command::write && payload_size(header, agreement.dialect) == 0)
        return {Error::einval, "a write without data"};
    if (is_context_list(header))
        return header.length == context_list_size
                   ? Refusal{}
                   : Refusal{Error::einval, "a list of metadata contexts that were not all selected"};
    if (header.command == Command::flush)
        return header.offset == 0 && header.length == 0 ? Refusal{}
                                                        : Refusal{Error::einval, "flush takes no range"};
    if (const Refusal refusal = check_range(header, *row, geometry, agreement))
        return refusal;
    if ((header.flags & wire::df) != 0 && header.length > std::max(geometry.maximum_payload, always_in_one))
        return {Error::eoverflow, "too long for one chunk"};
    return {};
}

void describe(const wire::RequestHeader &header, block::Request &request) noexcept {
    request.operation = row_of(header.command)->operation;
    // On reads, flushes and cache hints FUA is legal and without meaning.
    request.fua = (header.flags & wire::fua) != 0 && row_of(header.command)->changes;
    request.no_hole = (header.flags & wire::no_hole) != 0;
    request.fast_zero = (header.flags & wire::fast_zero) != 0;
    request.offset = header.offset;
    request.length = header.length;
}

} // namespace nbd
