// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace block {

/// A stretch of a device and what is known of it.
struct Extent {
    std::uint64_t length;
    std::uint64_t state; ///< Extents::hole, Extents::zero
};

/// What a block_status request tells: consecutive extents from the request's offset on, in room that the
/// requester lends. A device begins with clear(); it tells at least one extent, and no more than the
/// request's length.
class Extents {
public:
    static constexpr std::uint64_t allocated = 0; ///< or nothing is known
    static constexpr std::uint64_t hole = 1;
    static constexpr std::uint64_t zero = 2; ///< reads as zeroes, certainly

    Extents() = default;
    explicit Extents(std::span<Extent> room) noexcept
        : room_(room) {}

    void clear() noexcept { count_ = 0; }
    /// Appends; merges with a like neighbour. False: there is no room, the list ends here.
    bool add(std::uint64_t length, std::uint64_t state) noexcept;
    [[nodiscard]] std::span<Extent> list() const noexcept { return room_.first(count_); }
    [[nodiscard]] std::uint64_t length() const noexcept;

    /// The first bytes do not matter: takes them off. Fewer than length().
    void drop_front(std::uint64_t bytes) noexcept;
    /// Takes off what is beyond the first bytes.
    void limit(std::uint64_t bytes) noexcept;
    /// Moves all borders to multiples of `block` (counted from the first extent's begin): a block with
    /// several states has what they share. May shorten the list, never to nothing.
    void align(std::uint64_t block) noexcept;

private:
    std::span<Extent> room_;
    std::size_t count_ = 0;
};

} // namespace block
