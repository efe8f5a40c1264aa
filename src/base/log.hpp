// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <string_view>

/// The program's log: one line an event, to stderr. Any thread. The core (block, selector, multipath)
/// does not log: it tells its observer.
namespace base::log {

enum class Level { trace, debug, info, warning, error };

/// False when the word is not one of trace, debug, info, warning, error.
bool parse_level(std::string_view word, Level &level);
void set_level(Level level);
[[nodiscard]] bool enabled(Level level) noexcept;
void write(Level level, std::string_view text);

template <typename... A>
void debug(fmt::format_string<A...> format, A &&...arguments) {
    if (enabled(Level::debug))
        write(Level::debug, fmt::format(format, std::forward<A>(arguments)...));
}
template <typename... A>
void info(fmt::format_string<A...> format, A &&...arguments) {
    if (enabled(Level::info))
        write(Level::info, fmt::format(format, std::forward<A>(arguments)...));
}
template <typename... A>
void warning(fmt::format_string<A...> format, A &&...arguments) {
    write(Level::warning, fmt::format(format, std::forward<A>(arguments)...));
}
template <typename... A>
void error(fmt::format_string<A...> format, A &&...arguments) {
    write(Level::error, fmt::format(format, std::forward<A>(arguments)...));
}

} // namespace base::log
