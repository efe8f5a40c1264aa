// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io.hpp"
#include "random.hpp"
#include "verdict.hpp"

#include <array>
#include <vector>

namespace sim {

/// What a device is to do to the blocks of the disk.
struct Change {
    unsigned first_block = 0;
    unsigned block_count = 0;
    std::array<std::uint64_t, 4> words{};
    bool fua = false;
};

/// What is stored behind the paths, and what clients may therefore expect. Every write leaves its own number
/// in the blocks. Servers have one stable disk behind them and a volatile cache in front of it: all the same
/// one, which survives them, or (`independent`) each its own; what a cache holds it may write down at any
/// time. There, trims and zeroes leave 0, since a map that does them again has no number to give.
class Disk {
public:
    Disk(Verdict &verdict, bool independent);

    [[nodiscard]] bool independent() const noexcept { return independent_; }

    // What a device does.
    /// `io`: whose request that is; nullptr: the map does it again.
    [[nodiscard]] Change change_of(const block::Request &request, const Io *io) const;
    void change(unsigned device, const Change &change);
    void read(unsigned device, Io &io) const;
    /// A flush covers what the device has done until `begin_flush`, once it succeeded.
    [[nodiscard]] unsigned begin_flush() const noexcept { return executions_; }
    void end_flush(unsigned device, unsigned mark);
    /// The server said that a flush failed, and may have given up what it was to write.
    void flush_failed(unsigned device);
    /// The server ended: its cache is gone.
    void lose(unsigned device);

    // What a client was told.
    void began(const Io &io);
    /// Ended with success (`acknowledged`) or without.
    void ended(const Io &io, bool acknowledged, Stamp now);
    /// Its client is gone, and may come back: what it had not heard of is not to land over newer data.
    void abandoned(const Io &io, Stamp now);
    /// What was acknowledged of these blocks and is not stable cannot be made so: clients are told.
    void give_up(const Change &change, Stamp now);
    /// Something may be lost of which clients are told.
    void note_loss(Stamp now) noexcept { last_loss_ = now; }
    [[nodiscard]] bool lost_since(Stamp when) const noexcept { return last_loss_ > when; }

    void check_read(const Io &io) const;
    /// After a FLUSH or a FUA write succeeded.
    void check_flush(const Io &io) const;
    /// Everything that was acknowledged until now is to be on stable storage.
    void check_stable(Stamp now) const;
    /// Whether somebody wrote that there.
    [[nodiscard]] bool was_written(unsigned block, std::uint64_t word) const;

private:
    struct Write {
        unsigned id;
        std::uint64_t word;
        Stamp submitted;
        Stamp done = 0;
        bool abandoned = false;
        bool acknowledged = false;
    };
    struct Cell {
        std::uint64_t word = 0;
        unsigned since = 0;    ///< the execution that a flush has to cover; 0: nothing is cached
        bool given_up = false; ///< a flush failed: it is read, and never written down
    };
    using Cache = std::array<Cell, blocks>;
    [[nodiscard]] Cache &cache_of(unsigned device) noexcept { return caches_[independent_ ? device : 0]; }
    [[nodiscard]] std::uint64_t word_of(const Io &io) const noexcept {
        return independent_ && io.asked != block::Operation::write ? 0 : io.id;
    }
    void write_down(Cache &cache, unsigned block) noexcept;
    [[nodiscard]] bool is_overwritten(unsigned block, Stamp after, Stamp now) const;
    /// Whether the word may be what the block has, for somebody who began to look `now`.
    [[nodiscard]] bool is_legal(unsigned block, std::uint64_t word, Stamp now) const;
    void check_stable(unsigned block, Stamp now, std::string_view what) const;
    Write &find(const Io &io);

    Verdict &verdict_;
    const bool independent_;
    Random random_{0};
    unsigned executions_ = 0;
    Stamp last_loss_ = 0;
    std::array<std::uint64_t, blocks> stable_{};
    std::array<Cache, devices> caches_{};
    std::vector<Write> writes_;
    std::array<std::vector<std::size_t>, blocks> by_block_; ///< indexes of writes_
};

} // namespace sim
