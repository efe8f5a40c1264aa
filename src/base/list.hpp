// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cassert>
#include <cstddef>

namespace base {

/// Base class of what can stand in one `List` at a time. Linking allocates nothing.
class ListHook {
public:
    ListHook() = default;
    ListHook(const ListHook &) = delete;
    ListHook &operator=(const ListHook &) = delete;
    ~ListHook() { assert(!linked()); }

    [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }

    /// Takes the element out of whatever list it is in.
    void unlink() noexcept {
        assert(linked());
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = next_ = nullptr;
    }

private:
    template <typename T>
    friend class List;
    ListHook *previous_ = nullptr;
    ListHook *next_ = nullptr;
};

/// A FIFO of elements it does not own. An element leaves by pop_front(), unlink() or take_all().
/// `T` derives from ListHook. The list knows no length: whoever needs one counts.
template <typename T>
class List {
public:
    List() noexcept { reset(); }
    List(const List &) = delete;
    List &operator=(const List &) = delete;
    ~List() {
        assert(empty());
        head_.previous_ = head_.next_ = nullptr;
    }

    [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
    [[nodiscard]] T &front() noexcept { return static_cast<T &>(*head_.next_); }

    void push_back(T &element) noexcept { insert_before(head_, element); }
    void push_front(T &element) noexcept { insert_before(*head_.next_, element); }

    /// Puts `element` before one that stands in a list.
    static void insert(T &before, T &element) noexcept { insert_before(before, element); }

    T &pop_front() noexcept {
        assert(!empty());
        T &element = front();
        static_cast<ListHook &>(element).unlink();
        return element;
    }

    /// Appends everything that is in `other`, in order, and empties it.
    void take_all(List &other) noexcept {
        if (other.empty())
            return;
        ListHook *first = other.head_.next_;
        ListHook *last = other.head_.previous_;
        other.reset();
        first->previous_ = head_.previous_;
        head_.previous_->next_ = first;
        last->next_ = &head_;
        head_.previous_ = last;
    }

    /// Calls `visit(element)` for each; `visit` may unlink the element it is given, no other.
    template <typename Visit>
    void for_each(Visit visit) const {
        const auto visit_const = [&visit](const T &element) { visit(element); };
        for (const ListHook *at = head_.next_; at != &head_; at = at->next_)
            visit_const(static_cast<const T &>(*at));
    }
    template <typename Visit>
    void for_each(Visit visit) {
        for (ListHook *at = head_.next_; at != &head_;) {
            ListHook *following = at->next_;
            visit(static_cast<T &>(*at));
            at = following;
        }
    }

private:
    void reset() noexcept { head_.previous_ = head_.next_ = &head_; }
    static void insert_before(ListHook &position, ListHook &element) noexcept {
        assert(!element.linked());
        element.previous_ = position.previous_;
        element.next_ = &position;
        position.previous_->next_ = &element;
        position.previous_ = &element;
    }

    ListHook head_;
};

} // namespace base
