// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/request.hpp"

#include <array>
#include <cstddef>

namespace nbd {

/// Pipes for reads whose data need not be copied; bounded, kept for the next taker. Everybody can do without:
/// none is given when there are many out already, or the system has no more. One thread.
class PipePool {
public:
    /// Reads from here on are worth it, up to what a pipe holds.
    static constexpr std::size_t smallest_read = std::size_t{64} << 10;
    static constexpr std::size_t largest_read = std::size_t{256} << 10;

    PipePool() = default;
    PipePool(const PipePool &) = delete;
    PipePool &operator=(const PipePool &) = delete;
    ~PipePool();

    /// Null: do without.
    [[nodiscard]] block::Pipe *take() noexcept;
    /// Closes it when something is left in it, or when it was of no use.
    void give_back(block::Pipe *pipe, bool used) noexcept;
    /// Nobody reads any more for now: closes those that are not out.
    void rest() noexcept;

private:
    static constexpr std::size_t most = 16;
    /// Data need not begin at a page, so there is more room than for the longest read.
    static constexpr int capacity = 2 * static_cast<int>(largest_read);

    std::array<block::Pipe, most> pipes_{};
    std::array<block::Pipe *, most> free_{};
    std::size_t free_count_ = 0;
    std::size_t made_ = 0; ///< the first pipes of the array, open or closed again
};

} // namespace nbd
