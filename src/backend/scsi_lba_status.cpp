// SPDX-License-Identifier: BSD-3-Clause
#include "backend/scsi_lba_status.hpp"

#include "wire/big_endian.hpp"

#include <algorithm>

namespace backend {

namespace {

constexpr std::size_t header = 8;
constexpr std::size_t descriptor = 16;
constexpr unsigned deallocated = 1;
constexpr unsigned anchored = 2; // its room is kept, and nothing is in it

std::uint64_t state_of(unsigned provisioning, bool reads_zeroes) noexcept {
    using block::Extents;
    if (provisioning != deallocated && provisioning != anchored)
        return Extents::allocated;
    return (provisioning == deallocated ? Extents::hole : Extents::allocated) |
           (reads_zeroes ? Extents::zero : Extents::allocated);
}

} // namespace

void read_lba_status(std::span<const std::byte> answer, const LbaStatusQuery &query,
                     block::Extents &extents) noexcept {
    if (answer.size() < header)
        return;
    const std::size_t end =
        std::min<std::size_t>(answer.size(), std::size_t{4} + wire::load<std::uint32_t>(answer.data()));
    // In blocks, so that nothing overflows.
    std::uint64_t next = query.offset / query.block;
    const std::uint64_t last = next + query.length / query.block;
    for (std::size_t at = header; at + descriptor <= end && next < last; at += descriptor) {
        const auto first = wire::load<std::uint64_t>(answer.data() + at);
        const auto count = wire::load<std::uint32_t>(answer.data() + at + 8);
        if (first > next || count <= next - first)
            return;
        const std::uint64_t stretch = std::min(count - (next - first), last - next);
        const unsigned provisioning = std::to_integer<unsigned>(answer[at + 12]) & 0xfU;
        if (!extents.add(stretch * query.block, state_of(provisioning, query.reads_zeroes)))
            return;
        next += stretch;
    }
}

} // namespace backend
