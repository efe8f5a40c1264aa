// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/validation.hpp"

namespace nbd {

using wire::Command;
using wire::Error;

namespace {

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
    {wire::fua | wire::req_one, false, false, false, Error::einval, block::Operation::read},
};

const Row *row_of(Command command) noexcept {
    const auto number = static_cast<std::size_t>(command);
    return number < std::size(rows) ? &rows[number] : nullptr;
}

} // namespace

Error validate(const wire::RequestHeader &header, const block::Geometry &geometry) noexcept {
    const Row *row = row_of(header.command);
    if (row == nullptr)
        return Error::einval;
    if (geometry.read_only && row->changes)
        return Error::eperm;
    if ((header.flags & ~row->legal_flags) != 0 || !row->offered)
        return Error::einval;
    if (header.command == Command::flush)
        return header.offset == 0 && header.length == 0 ? Error::none : Error::einval;
    if (header.offset > geometry.size || header.length > geometry.size - header.offset)
        return row->out_of_range;
    if (header.length == 0)
        return Error::einval;
    // Also for clients that asked for no block sizes: read-modify-write for them is a later step.
    if (((header.offset | header.length) & (geometry.minimum_block - 1)) != 0)
        return Error::einval;
    if (row->carries_data && header.length > longest_payload)
        return Error::einval;
    return Error::none;
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
