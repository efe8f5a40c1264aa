// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io.hpp"
#include "verdict.hpp"

#include <array>
#include <vector>

namespace sim {

/// What is stored behind the paths, and what clients may therefore expect. Every write, trim and zeroing
/// leaves its own number in the blocks. Shared: all devices have one cache, which survives them.
/// Independent: each device has a volatile cache of its own.
class Disk {
public:
    Disk(Verdict &verdict, bool independent);

    // What a device does.
    void write(unsigned device, const Io &io);
    void read(unsigned device, Io &io) const;
    /// A flush covers what the device has done until `begin_flush`, once it succeeded.
    [[nodiscard]] unsigned begin_flush() const noexcept { return executions_; }
    void end_flush(unsigned device, unsigned mark);
    /// The map's own flush failed: what it was to cover counts as lost.
    void flush_failed(unsigned device, unsigned mark, Stamp now);
    /// The device restarted: its cache is gone.
    void lose(unsigned device, Stamp now);

    // What a client was told.
    void began(const Io &io);
    /// Ended with success (`acknowledged`) or without.
    void ended(const Io &io, bool acknowledged, Stamp now);
    /// Its client is gone, and may come back: what it had not heard of is not to land over newer data.
    void abandoned(const Io &io, Stamp now);
    void check_read(const Io &io);
    /// After a FLUSH, or a FUA write (which answers for the other devices), succeeded.
    void check_flush(const Io &io);
    /// Whether something may have been lost since.
    [[nodiscard]] bool lost_since(Stamp when) const noexcept { return last_loss_ > when; }
    /// Whether acknowledged data is in a cache that is still there.
    [[nodiscard]] bool dirty() const noexcept;

private:
    struct Write {
        unsigned id;
        Stamp submitted;
        Stamp done = 0;
        bool abandoned = false;
        bool acknowledged = false;
        bool durable = false;
        Stamp lost = 0;
        unsigned device = 0;
    };
    struct Cached {
        unsigned execution;
        std::size_t write; ///< index
    };
    [[nodiscard]] unsigned cache_of(unsigned device) const noexcept { return independent_ ? device : 0; }
    [[nodiscard]] bool may_be_read(const Io &io, unsigned block, std::uint64_t word) const;
    Write &find(const Io &io);

    Verdict &verdict_;
    const bool independent_;
    unsigned executions_ = 0;
    Stamp last_loss_ = 0;
    std::array<std::array<std::uint64_t, blocks>, devices> content_{}; ///< by cache
    std::array<std::vector<Cached>, devices> caches_;
    std::array<Stamp, devices> lost_at_{};
    std::vector<Write> writes_;
    std::array<std::vector<std::size_t>, blocks> by_block_; ///< indexes of writes_
};

} // namespace sim
