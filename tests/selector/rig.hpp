// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "selector/selector.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string>
#include <vector>

/// A selector with paths 0, 1, …, and short words for what a map does with it.
class SelectorRig {
public:
    using Words = std::vector<std::string>;

    SelectorRig(std::string_view type, const std::vector<Words> &paths, const Words &arguments = {},
                selector::Rules rules = {})
        : selector(selector::find_type(type)->create(arguments, rules)) {
        for (const Words &words : paths)
            selector->add_path(paths_++, words);
    }

    static base::TimePoint at(std::int64_t nanoseconds) {
        return base::TimePoint(std::chrono::nanoseconds(nanoseconds));
    }

    /// The next paths it chooses, "0 1 0", when nothing is sent.
    std::string order(int count, std::uint64_t length = 4096) {
        std::string text;
        for (int i = 0; i < count; ++i)
            text += fmt::format("{}{}", i == 0 ? "" : " ", selector->select_path(length, at(now_ns))->path);
        return text;
    }
    /// The same for requests that are sent and stay in flight.
    std::string send(int count, std::uint64_t length = 4096) {
        std::string text;
        for (int i = 0; i < count; ++i) {
            const selector::PathIndex path = selector->select_path(length, at(now_ns))->path;
            selector->start_io(path, length, at(now_ns));
            text += fmt::format("{}{}", i == 0 ? "" : " ", path);
        }
        return text;
    }
    void end(selector::PathIndex path, std::uint64_t length = 4096) {
        selector->end_io(path, length, at(now_ns), at(now_ns));
    }
    /// Requests one after the other: where they went.
    std::string io(int count) {
        std::string text;
        for (int i = 0; i < count; ++i) {
            const std::string path = send(1);
            end(static_cast<selector::PathIndex>(std::stoul(path)));
            text += (i == 0 ? "" : " ") + path;
        }
        return text;
    }
    /// The INFO (or TABLE) words of every path, "0 1, 4096 1".
    [[nodiscard]] std::string infos() const {
        Words all;
        for (selector::PathIndex path = 0; path < paths_; ++path)
            all.push_back(selector->path_info(path));
        return fmt::format("{}", fmt::join(all, ", "));
    }
    [[nodiscard]] std::string tables() const {
        Words all;
        for (selector::PathIndex path = 0; path < paths_; ++path)
            all.push_back(selector->path_table(path));
        return fmt::format("{}", fmt::join(all, ", "));
    }

    std::unique_ptr<selector::Selector> selector;
    std::int64_t now_ns = 3600'000'000'000;

private:
    selector::PathIndex paths_ = 0;
};

/// What is said to these arguments of a path; "ok" when nothing is.
inline std::string path_argument_error(std::string_view type, const SelectorRig::Words &words) {
    try {
        SelectorRig(type, {words});
    } catch (const base::Error &error) {
        CHECK(error.code() == EINVAL);
        return error.what();
    }
    return "ok";
}
