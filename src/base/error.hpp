// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace base {

/// What went wrong in the control plane: what was tried, why it failed, what to do. Caught once,
/// where it can be answered. `code` is an errno value; the admin socket prints its name.
class Error : public std::runtime_error {
public:
    Error(int code, const std::string &text)
        : std::runtime_error(text)
        , code_(code) {}
    template <typename... Arguments>
    Error(int code, fmt::format_string<Arguments...> format, Arguments &&...arguments)
        : std::runtime_error(fmt::format(format, std::forward<Arguments>(arguments)...))
        , code_(code) {}

    [[nodiscard]] int code() const noexcept { return code_; }

private:
    int code_;
};

/// "EINVAL" for EINVAL; "E<number>" for a value without a name.
std::string errno_name(int code);
/// EINVAL for "EINVAL"; nothing for what is no error's name.
std::optional<int> errno_value(std::string_view name);
/// strerror() for humans, thread-safe.
std::string errno_text(int code);

} // namespace base
