// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.hpp"

#include <array>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace base::log {

namespace {

struct Name {
    std::string_view word;
    Level level;
    spdlog::level::level_enum native;
};
constexpr std::array<Name, 5> names{{{"trace", Level::trace, spdlog::level::trace},
                                     {"debug", Level::debug, spdlog::level::debug},
                                     {"info", Level::info, spdlog::level::info},
                                     {"warning", Level::warning, spdlog::level::warn},
                                     {"error", Level::error, spdlog::level::err}}};

spdlog::level::level_enum native(Level level) noexcept {
    return names[static_cast<std::size_t>(level)].native;
}

spdlog::logger &logger() {
    static const auto instance = [] {
        auto made = spdlog::stderr_logger_mt("nbdmpathd");
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l: %v");
        made->flush_on(spdlog::level::info);
        return made;
    }();
    return *instance;
}

} // namespace

bool parse_level(std::string_view word, Level &level) {
    for (const Name &name : names) {
        if (name.word == word) {
            level = name.level;
            return true;
        }
    }
    return false;
}

void set_level(Level level) { logger().set_level(native(level)); }

bool enabled(Level level) noexcept { return logger().should_log(native(level)); }

void write(Level level, std::string_view text) { logger().log(native(level), "{}", text); }

} // namespace base::log
