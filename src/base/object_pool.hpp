// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace base {

/// Objects of one type, made and ended without touching the heap once warm. Grows by chunks, shrinks at its
/// end. One thread. Every object is returned before the pool ends.
template <typename T, std::size_t chunk_size = 64>
class ObjectPool {
public:
    ObjectPool() = default;
    ObjectPool(const ObjectPool &) = delete;
    ObjectPool &operator=(const ObjectPool &) = delete;
    ~ObjectPool() { assert(in_use_ == 0); }

    template <typename... Arguments>
    T &make(Arguments &&...arguments) {
        if (free_ == nullptr)
            grow();
        Slot *slot = free_;
        free_ = slot->next;
        ++in_use_;
        return *new (slot->storage) T(std::forward<Arguments>(arguments)...);
    }

    void end(T &object) noexcept {
        object.~T();
        auto *slot = reinterpret_cast<Slot *>(&object);
        slot->next = free_;
        free_ = slot;
        --in_use_;
    }

    [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }

private:
    union Slot {
        Slot *next;
        alignas(T) std::byte storage[sizeof(T)];
    };

    void grow() {
        chunks_.push_back(std::make_unique<Slot[]>(chunk_size));
        for (std::size_t i = chunk_size; i-- > 0;) {
            chunks_.back()[i].next = free_;
            free_ = &chunks_.back()[i];
        }
    }

    std::vector<std::unique_ptr<Slot[]>> chunks_;
    Slot *free_ = nullptr;
    std::size_t in_use_ = 0;
};

} // namespace base
