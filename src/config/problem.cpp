// SPDX-License-Identifier: BSD-3-Clause
#include "config/problem.hpp"

#include <algorithm>

namespace config {

namespace {

constexpr std::size_t most_problems = 100;
constexpr std::size_t longest_shown = 64;

std::string joined(const std::vector<std::string> &lines) {
    return fmt::format("{}", fmt::join(lines, "\n"));
}

} // namespace

std::string to_string(const Where &where) {
    return fmt::format("{}:{}:{}", where.file, where.line, where.column);
}

std::string shown(std::string_view text) {
    std::string result(text.substr(0, longest_shown));
    std::ranges::replace_if(
        result, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return text.size() > longest_shown ? result + "..." : result;
}

Errors::Errors(std::vector<std::string> lines)
    : base::Error(EINVAL, joined(lines))
    , lines_(std::move(lines)) {}

void Problems::add(Error problem) {
    if (full())
        ++dropped_;
    else
        problems_.push_back(std::move(problem));
}

bool Problems::full() const noexcept { return problems_.size() >= most_problems; }

void Problems::throw_if_any() {
    if (problems_.empty())
        return;
    std::ranges::stable_sort(problems_, {}, &Error::where);
    std::vector<std::string> lines;
    for (const Error &problem : problems_)
        lines.emplace_back(problem.what());
    if (dropped_ != 0)
        lines.push_back(
            fmt::format("{}: and {} more problems", to_string(problems_.back().where()), dropped_));
    throw Errors(std::move(lines));
}

} // namespace config
