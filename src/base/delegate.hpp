// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace base {

/// A member function bound to its object: two pointers, no ownership, no allocation.
/// The object outlives the delegate. Example: `Delegate<>::to<&Session::readable>(*this)`.
template <typename... Arguments>
class Delegate {
public:
    Delegate() = default;

    template <auto method, typename Object>
    static Delegate to(Object &object) noexcept {
        Delegate result;
        result.object_ = &object;
        result.call_ = [](void *self, Arguments... arguments) noexcept {
            (static_cast<Object *>(self)->*method)(arguments...);
        };
        return result;
    }

    explicit operator bool() const noexcept { return call_ != nullptr; }
    void operator()(Arguments... arguments) const noexcept { call_(object_, arguments...); }

private:
    void *object_ = nullptr;
    void (*call_)(void *, Arguments...) noexcept = nullptr;
};

} // namespace base
