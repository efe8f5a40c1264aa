// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// A place in the configuration, as an editor counts: from 1.
struct Where {
    std::string file;
    int line = 1;
    int column = 1;
    auto operator<=>(const Where &) const = default;
};

/// "FILE:LINE:COL"
std::string to_string(const Where &where);

/// Text of the user's for a message: cut when long, control characters replaced.
std::string shown(std::string_view text);

/// One problem with its place; what() is `FILE:LINE:COL: text`.
class Error : public base::Error {
public:
    Error(Where where, const std::string &text)
        : base::Error(EINVAL, to_string(where) + ": " + text)
        , where_(std::move(where)) {}
    template <typename... Arguments>
    Error(Where where, fmt::format_string<Arguments...> format, Arguments &&...arguments)
        : Error(std::move(where), fmt::format(format, std::forward<Arguments>(arguments)...)) {}

    [[nodiscard]] const Where &where() const noexcept { return where_; }

private:
    Where where_;
};

/// Every problem of a configuration at once; what() is one line each, as they stand in the file.
class Errors : public base::Error {
public:
    explicit Errors(std::vector<std::string> lines);
    [[nodiscard]] const std::vector<std::string> &lines() const noexcept { return lines_; }

private:
    std::vector<std::string> lines_;
};

/// Collects problems, so that a user sees all of them in one run. Whoever checks a configuration further (the
/// daemon) uses one too, with the `where` of what it looked at. Keeps the first hundred.
class Problems {
public:
    void add(Error problem);
    template <typename... Arguments>
    void add(const Where &where, fmt::format_string<Arguments...> format, Arguments &&...arguments) {
        add(Error(where, fmt::format(format, std::forward<Arguments>(arguments)...)));
    }
    [[nodiscard]] bool empty() const noexcept { return problems_.empty(); }
    [[nodiscard]] std::size_t count() const noexcept { return problems_.size() + dropped_; }
    /// More problems are counted, but not shown.
    [[nodiscard]] bool full() const noexcept;
    /// Throws Errors, sorted by place, when there is any problem.
    void throw_if_any();

private:
    std::vector<Error> problems_;
    std::size_t dropped_ = 0;
};

} // namespace config
