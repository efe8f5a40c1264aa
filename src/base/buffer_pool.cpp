// SPDX-License-Identifier: BSD-3-Clause
#include "base/buffer_pool.hpp"

#include <bit>
#include <cassert>
#include <cstdlib>

namespace base {

std::size_t BufferPool::class_of(std::size_t size) noexcept {
    assert(size <= largest);
    if (size <= smallest)
        return 0;
    return static_cast<std::size_t>(std::bit_width(size - 1)) -
           static_cast<std::size_t>(std::bit_width(smallest - 1));
}

BufferPool::~BufferPool() {
    assert(used_ == 0);
    waiting_.for_each([](Task &task) { task.withdraw(); });
    for (Free *&head : free_) {
        while (head != nullptr) {
            Free *next = head->next;
            std::free(head);
            head = next;
        }
    }
}

std::byte *BufferPool::take(std::size_t size, std::size_t left) noexcept {
    const std::size_t index = class_of(size);
    if (used_ != aside_ && used_ + (smallest << index) + left > limit_)
        return nullptr;
    return allocate(index);
}

std::byte *BufferPool::take_anyway(std::size_t size) noexcept { return allocate(class_of(size)); }

std::byte *BufferPool::set_aside(std::size_t size) noexcept {
    const std::size_t index = class_of(size);
    const std::size_t bytes = smallest << index;
    if (aside_ + bytes > limit_ / 2 || used_ + bytes > limit_)
        return nullptr;
    std::byte *buffer = allocate(index);
    if (buffer != nullptr)
        aside_ += bytes;
    return buffer;
}

bool BufferPool::keep_aside(std::size_t size) noexcept {
    const std::size_t bytes = smallest << class_of(size);
    if (aside_ + bytes > limit_ / 2)
        return false;
    aside_ += bytes;
    return true;
}

void BufferPool::give_back_aside(std::byte *buffer, std::size_t size) noexcept {
    aside_ -= smallest << class_of(size);
    give_back(buffer, size);
}

std::byte *BufferPool::allocate(std::size_t index) noexcept {
    const std::size_t bytes = smallest << index;
    void *buffer = free_[index];
    if (buffer != nullptr) {
        free_[index] = free_[index]->next;
        kept_ -= bytes;
    } else {
        make_room(bytes);
        buffer = std::aligned_alloc(smallest, bytes);
    }
    if (buffer != nullptr)
        used_ += bytes;
    return static_cast<std::byte *>(buffer);
}

void BufferPool::give_back(std::byte *buffer, std::size_t size) noexcept {
    const std::size_t index = class_of(size);
    const std::size_t bytes = smallest << index;
    used_ -= bytes;
    if (kept_ + bytes > most_kept || used_ + kept_ + bytes > limit_) {
        std::free(buffer);
    } else {
        free_[index] = new (buffer) Free{free_[index]};
        kept_ += bytes;
    }
    wake();
}

/// Those of other sizes that are kept count, too.
void BufferPool::make_room(std::size_t bytes) noexcept {
    for (std::size_t index = classes; index-- > 0;) {
        while (free_[index] != nullptr && used_ + kept_ + bytes > limit_) {
            Free *buffer = free_[index];
            free_[index] = buffer->next;
            kept_ -= smallest << index;
            std::free(buffer);
        }
    }
}

void BufferPool::set_limit(std::size_t limit) noexcept {
    limit_ = limit;
    wake();
}

void BufferPool::wake() noexcept {
    while (!waiting_.empty())
        scheduler_.post(waiting_.pop_front());
}

void BufferPool::wait(Task &task) noexcept {
    if (!task.pending())
        waiting_.push_back(task);
}

} // namespace base
