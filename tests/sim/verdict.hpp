// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <string>

namespace sim {

/// The first thing that went wrong in a run. Code of the core calls back from noexcept functions, so a failed
/// check is noted here and ends the run after the step.
class Verdict {
public:
    template <typename... Arguments>
    void fail(fmt::format_string<Arguments...> format, Arguments &&...arguments) {
        if (text_.empty())
            text_ = fmt::format(format, std::forward<Arguments>(arguments)...);
    }
    /// For whoever reads along (`simulate --trace`).
    template <typename... Arguments>
    void note(fmt::format_string<Arguments...> format, Arguments &&...arguments) {
        if (traces)
            fmt::print("{}\n", fmt::format(format, std::forward<Arguments>(arguments)...));
    }
    static inline bool traces = false;
    [[nodiscard]] bool failed() const noexcept { return !text_.empty(); }
    [[nodiscard]] const std::string &text() const noexcept { return text_; }

private:
    std::string text_;
};

} // namespace sim
