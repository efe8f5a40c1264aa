// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/unflushed_log.hpp"

#include <algorithm>
#include <cstring>

namespace multipath {

UnflushedLog::~UnflushedLog() {
    while (!entries_.empty())
        drop(entries_.front());
}

bool UnflushedLog::keep(block::Request &request) noexcept {
    const bool has_data = request.operation == block::Operation::write;
    if (bytes_ + sizeof(Entry) + (has_data ? request.length : 0) > limit_)
        return false;
    Memory *memory = has_data ? keep_data(request) : nullptr;
    if (has_data && memory == nullptr)
        return false;
    Entry &entry = pool_.make();
    entry.operation = request.operation;
    entry.no_hole = request.no_hole;
    entry.begin = request.offset;
    entry.end = request.offset + request.length;
    entry.number = ++last_number_;
    entry.data = memory != nullptr ? memory->buffer : nullptr;
    entry.memory = memory;
    entries_.push_back(entry);
    bytes_ += sizeof(Entry) + (memory != nullptr ? memory->size : 0);
    return true;
}

UnflushedLog::Memory *UnflushedLog::keep_data(block::Request &request) noexcept {
    if (buffers_ == nullptr)
        return nullptr;
    if (request.pooled != 0) {
        if (!buffers_->keep_aside(request.pooled))
            return nullptr;
        request.data_kept = true;
        return &memories_.make(Memory{request.data, request.pooled, 1});
    }
    std::byte *buffer = buffers_->set_aside(request.length);
    if (buffer == nullptr)
        return nullptr;
    std::memcpy(buffer, request.data, request.length);
    return &memories_.make(Memory{buffer, request.length, 1});
}

void UnflushedLog::drop(Entry &entry) noexcept {
    entry.unlink();
    bytes_ -= sizeof(Entry);
    if (Memory *memory = entry.memory; memory != nullptr && --memory->parts == 0) {
        bytes_ -= memory->size;
        buffers_->give_back_aside(memory->buffer, memory->size);
        memories_.end(*memory);
    }
    pool_.end(entry);
}

void UnflushedLog::drop_until(std::uint64_t number) noexcept {
    while (!entries_.empty() && entries_.front().number <= number)
        drop(entries_.front());
}

void UnflushedLog::trim_front(Entry &entry, std::uint64_t begin) noexcept {
    if (entry.data != nullptr)
        entry.data += begin - entry.begin;
    entry.begin = begin;
}

void UnflushedLog::cut(const block::Request &stable) noexcept {
    const std::uint64_t begin = stable.offset;
    const std::uint64_t end = stable.offset + stable.length;
    entries_.for_each([this, begin, end, last = stable.sent_number](Entry &entry) {
        if (end <= entry.begin || entry.end <= begin || entry.number > last)
            return;
        if (begin <= entry.begin && entry.end <= end)
            drop(entry);
        else if (begin <= entry.begin)
            trim_front(entry, end);
        else if (entry.end <= end)
            entry.end = begin;
        else
            split(entry, begin, end);
    });
}

/// Its front part stands before it.
void UnflushedLog::split(Entry &entry, std::uint64_t begin, std::uint64_t end) {
    Entry &front = pool_.make();
    front.operation = entry.operation;
    front.no_hole = entry.no_hole;
    front.begin = entry.begin;
    front.end = begin;
    front.number = entry.number;
    front.data = entry.data;
    front.memory = entry.memory;
    if (front.memory != nullptr)
        ++front.memory->parts;
    bytes_ += sizeof(Entry);
    entries_.insert(entry, front);
    trim_front(entry, end);
}

} // namespace multipath
