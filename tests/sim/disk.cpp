// SPDX-License-Identifier: BSD-3-Clause
#include "disk.hpp"

#include <algorithm>

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
    writes_.push_back({.id = io.id, .submitted = io.submitted});
}

void Disk::write(unsigned device, const Io &io) {
    if (io.operation == block::Operation::write)
        for (unsigned i = 0; i < io.block_count; ++i)
            if (io.words[i] != io.id)
                verdict_.fail("request {} reached {} with other data", io.id, device_name(device));
    const unsigned cache = cache_of(device);
    std::fill_n(content_[cache].begin() + io.first_block, io.block_count, io.id);
    Write &write = find(io);
    if (io.fua)
        write.durable = true;
    else
        caches_[cache].push_back({++executions_, static_cast<std::size_t>(&write - writes_.data())});
}

void Disk::read(unsigned device, Io &io) const {
    std::copy_n(content_[cache_of(device)].begin() + io.first_block, io.block_count, io.words.begin());
}

void Disk::end_flush(unsigned device, unsigned mark) {
    std::erase_if(caches_[cache_of(device)], [this, mark](const Cached &cached) {
        if (cached.execution > mark)
            return false;
        writes_[cached.write].durable = true;
        return true;
    });
}

void Disk::flush_failed(unsigned device, unsigned mark, Stamp now) {
    if (!independent_)
        return;
    last_loss_ = now;
    for (const Cached &cached : caches_[device]) {
        Write &write = writes_[cached.write];
        if (cached.execution <= mark && write.acknowledged && write.device == device && write.lost == 0)
            write.lost = now;
    }
}

void Disk::lose(unsigned device, Stamp now) {
    if (!independent_)
        return;
    last_loss_ = lost_at_[device] = now;
    for (const Cached &cached : caches_[device])
        if (Write &write = writes_[cached.write];
            write.acknowledged && write.device == device && write.lost == 0)
            write.lost = now;
    caches_[device].clear();
}

void Disk::ended(const Io &io, bool acknowledged, Stamp now) {
    if (!io.changes_data())
        return;
    Write &write = find(io);
    if (!write.abandoned)
        write.done = now;
    write.acknowledged = acknowledged && !write.abandoned;
    write.device = io.device;
    // Lost between the device's answer and now, or an earlier attempt was.
    const auto index = static_cast<std::size_t>(&write - writes_.data());
    const bool cached = std::ranges::find(caches_[cache_of(io.device)], index, &Cached::write) !=
                        caches_[cache_of(io.device)].end();
    write.lost = cached || write.durable ? 0 : lost_at_[cache_of(io.device)];
    if (write.acknowledged && !cached && !write.durable && write.lost == 0)
        verdict_.fail("write {} was acknowledged, and no device has it", io.id);
}

void Disk::abandoned(const Io &io, Stamp now) {
    Write &write = find(io);
    write.abandoned = true;
    write.done = now;
}

bool Disk::may_be_read(const Io &io, unsigned block, std::uint64_t word) const {
    Stamp overwritten_after = 0; // the initial zeroes
    if (word != 0) {
        const auto &here = by_block_[block];
        const auto found = std::ranges::find(here, word, [this](std::size_t i) { return writes_[i].id; });
        if (found == here.end())
            return false;
        if (independent_) // each server may still have its own idea (design D4)
            return true;
        const Write &write = writes_[*found];
        if (write.done == 0)
            return true;
        overwritten_after = write.done;
    }
    return independent_ || std::ranges::none_of(by_block_[block], [&](std::size_t i) {
               const Write &later = writes_[i];
               return later.acknowledged && later.submitted > overwritten_after && later.done < io.submitted;
           });
}

void Disk::check_read(const Io &io) {
    for (unsigned i = 0; i < io.block_count; ++i)
        if (!may_be_read(io, io.first_block + i, io.words[i]))
            verdict_.fail("read {} of block {} found what write {} left: an acknowledged write is missing",
                          io.id, io.first_block + i, io.words[i]);
}

void Disk::check_flush(const Io &io) {
    for (const Write &write : writes_) {
        const bool covered = write.acknowledged && write.done < io.submitted &&
                             (io.is_flush() || (independent_ && write.device != io.device));
        if (!covered || write.durable)
            continue;
        if (write.lost == 0)
            verdict_.fail("{} {} succeeded, but write {} is in a cache only", io.is_flush() ? "flush" : "FUA",
                          io.id, write.id);
        else if (write.lost > io.client->connected)
            verdict_.fail("{} {} succeeded, but write {} is lost", io.is_flush() ? "flush" : "FUA", io.id,
                          write.id);
    }
}

bool Disk::dirty() const noexcept {
    return std::ranges::any_of(
        writes_, [](const Write &write) { return write.acknowledged && !write.durable && write.lost == 0; });
}

} // namespace sim
