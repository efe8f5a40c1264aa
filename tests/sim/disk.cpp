// SPDX-License-Identifier: BSD-3-Clause
#include "disk.hpp"

#include <algorithm>
#include <cstring>

namespace sim {

Disk::Disk(Verdict &verdict, bool independent)
    : verdict_(verdict)
    , independent_(independent) {}

Disk::Write &Disk::find(const Io &io) { return *std::ranges::find(writes_, io.id, &Write::id); }

void Disk::began(const Io &io) {
    if (!io.changes_data())
        return;
    for (unsigned i = 0; i < io.block_count; ++i)
        by_block_[io.first_block + i].push_back(writes_.size());
    writes_.push_back({.id = io.id, .word = word_of(io), .submitted = io.submitted});
}

Change Disk::change_of(const block::Request &request, const Io *io) const {
    Change change{.first_block = static_cast<unsigned>(request.offset / block_size),
                  .block_count = static_cast<unsigned>(request.length / block_size),
                  .fua = request.fua};
    if (request.operation == block::Operation::write)
        std::memcpy(change.words.data(), request.data, request.length);
    else if (io != nullptr)
        change.words.fill(word_of(*io));
    for (unsigned i = 0; i < change.block_count; ++i)
        if (io != nullptr ? change.words[i] != word_of(*io)
                          : !was_written(change.first_block + i, change.words[i]))
            verdict_.fail("a write of {} to block {} has other data", change.words[i],
                          change.first_block + i);
    return change;
}

void Disk::write_down(Cache &cache, unsigned block) noexcept {
    if (cache[block].since == 0 || cache[block].given_up)
        return;
    stable_[block] = cache[block].word;
    cache[block] = {};
}

void Disk::change(unsigned device, const Change &change) {
    Cache &cache = cache_of(device);
    ++executions_;
    for (unsigned i = 0; i < change.block_count; ++i) {
        const unsigned block = change.first_block + i;
        cache[block] = {.word = change.words[i],
                        .since = cache[block].since != 0 ? cache[block].since : executions_,
                        .given_up = false};
        if (change.fua)
            write_down(cache, block);
    }
    if (independent_ && random_.one_in(4))
        write_down(cache, random_.below(blocks));
}

void Disk::read(unsigned device, Io &io) const {
    const Cache &cache = caches_[independent_ ? device : 0];
    for (unsigned i = 0; i < io.block_count; ++i) {
        const Cell &cell = cache[io.first_block + i];
        io.words[i] = cell.since != 0 ? cell.word : stable_[io.first_block + i];
    }
}

void Disk::end_flush(unsigned device, unsigned mark) {
    Cache &cache = cache_of(device);
    for (unsigned block = 0; block < blocks; ++block)
        if (cache[block].since <= mark)
            write_down(cache, block);
}

void Disk::flush_failed(unsigned device) {
    if (!independent_)
        return;
    for (Cell &cell : cache_of(device))
        cell.given_up |= cell.since != 0 && random_.one_in(2);
}

void Disk::lose(unsigned device) {
    if (independent_)
        cache_of(device).fill({});
}

void Disk::ended(const Io &io, bool acknowledged, Stamp now) {
    if (!io.changes_data())
        return;
    Write &write = find(io);
    if (!write.abandoned)
        write.done = now;
    write.acknowledged = acknowledged && !write.abandoned;
}

void Disk::abandoned(const Io &io, Stamp now) {
    Write &write = find(io);
    write.abandoned = true;
    write.done = now;
}

void Disk::give_up(const Change &change, Stamp now) {
    last_loss_ = now;
    for (unsigned i = 0; i < change.block_count; ++i)
        for (const std::size_t index : by_block_[change.first_block + i])
            writes_[index].acknowledged = false;
}

bool Disk::was_written(unsigned block, std::uint64_t word) const {
    return std::ranges::any_of(by_block_[block],
                               [this, word](std::size_t i) { return writes_[i].word == word; });
}

bool Disk::is_overwritten(unsigned block, Stamp after, Stamp now) const {
    return std::ranges::any_of(by_block_[block], [&](std::size_t i) {
        const Write &later = writes_[i];
        return later.acknowledged && later.submitted > after && later.done < now;
    });
}

bool Disk::is_legal(unsigned block, std::uint64_t word, Stamp now) const {
    if (word == 0 && !is_overwritten(block, 0, now)) // as it was in the beginning
        return true;
    return std::ranges::any_of(by_block_[block], [&](std::size_t i) {
        const Write &write = writes_[i];
        return write.word == word && (write.done == 0 || !is_overwritten(block, write.done, now));
    });
}

void Disk::check_read(const Io &io) const {
    for (unsigned i = 0; i < io.block_count; ++i)
        if (!is_legal(io.first_block + i, io.words[i], io.submitted))
            verdict_.fail("read {} of block {} found what write {} left: an acknowledged write is missing",
                          io.id, io.first_block + i, io.words[i]);
}

void Disk::check_stable(unsigned block, Stamp now, std::string_view what) const {
    if (!is_legal(block, stable_[block], now))
        verdict_.fail("{}, and block {} has what write {} left: an acknowledged write is missing", what,
                      block, stable_[block]);
}

void Disk::check_flush(const Io &io) const {
    for (unsigned block = 0; block < blocks && io.is_flush(); ++block)
        check_stable(block, io.submitted, fmt::format("flush {} succeeded", io.id));
    // What a FUA write put there, or something newer.
    for (unsigned i = 0; i < io.block_count; ++i) {
        const unsigned block = io.first_block + i;
        const bool there = std::ranges::any_of(by_block_[block], [&](std::size_t index) {
            const Write &write = writes_[index];
            return write.word == stable_[block] && (write.done == 0 || write.done > io.submitted);
        });
        if (!there)
            verdict_.fail("FUA {} succeeded, and block {} has what write {} left: an acknowledged write is "
                          "missing",
                          io.id, block, stable_[block]);
    }
}

void Disk::check_stable(Stamp now) const {
    for (unsigned block = 0; block < blocks; ++block)
        check_stable(block, now + 1, "everything was flushed");
}

} // namespace sim
