// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/text.hpp"
#include "config/parse.hpp"

#include <doctest/doctest.h>

namespace config_test {

inline constexpr std::string_view file_schemes[] = {"file"};
inline constexpr std::string_view nbd_schemes[] = {"nbd", "nbd+unix"};
inline constexpr base::Key nbd_keys[] = {
    {"io_timeout", base::KeyKind::duration, "30s", ""},
    {"stall_timeout", base::KeyKind::duration, "4s", ""},
    {"idle_check", base::KeyKind::duration, "10s", ""},
    {"max_requests", base::KeyKind::number, "64", ""},
    {"note", base::KeyKind::text, "", ""},
};

inline constexpr std::string_view iscsi_schemes[] = {"iscsi"};
inline constexpr base::Key iscsi_keys[] = {{"initiator_name", base::KeyKind::text, "", ""}};

/// Stands in for the core: looks up every word that could be one of the tests' paths.
inline void check_table(const config::TableCheck &check) {
    const auto words = base::split_words(check.map.table);
    if (words.empty())
        throw base::Error(EINVAL, "invalid number of feature args");
    for (const std::string &word : words)
        if (word.starts_with("p") && word.size() == 2)
            (void)check.paths.require(word);
        else if (word == "nonsense")
            throw base::Error(EINVAL, "unknown path selector type");
}

inline config::Environment environment() {
    const auto check_uri = [](std::string_view uri) {
        if (uri.find("wrong") != std::string_view::npos)
            throw base::Error(EINVAL, "this URI is wrong");
    };
    const auto check_values = [](const base::KeyValues &values) {
        if (values.get<std::uint64_t>("max_requests") == 0)
            throw base::Error(EINVAL, "max_requests: 0 is too small");
    };
    const auto check_name = [](const base::KeyValues &values) {
        if (values.has("initiator_name") && values.get<std::string>("initiator_name") == "wrong")
            throw base::Error(EINVAL, "initiator_name: this name is wrong");
    };
    config::Environment made;
    made.path_types = {{file_schemes, {}, check_uri},
                       {nbd_schemes, nbd_keys, check_uri, check_values},
                       {iscsi_schemes, iscsi_keys, check_uri, check_name}};
    made.selectors = {"round-robin", "service-time"};
    made.check_table = check_table;
    made.check_inject = [](std::string_view rule) {
        if (rule.find("wrong") != std::string_view::npos)
            throw base::Error(EINVAL, "this rule is wrong");
    };
    made.most_injected = 3;
    return made;
}

inline config::Config parse(std::string_view text) { return config::parse(text, "t.yaml", environment()); }

/// Prints itself when a check fails.
struct Lines : std::vector<std::string> {
    using std::vector<std::string>::vector;
    Lines(std::vector<std::string> lines)
        : std::vector<std::string>(std::move(lines)) {}
};
inline doctest::String toString(const Lines &lines) {
    return fmt::format("\n{}", fmt::join(lines, "\n")).c_str();
}

inline Lines errors(std::string_view text) {
    try {
        parse(text);
    } catch (const config::Errors &error) {
        CHECK(error.code() == EINVAL);
        return error.lines();
    }
    return {};
}

/// What every test text needs and none is about.
inline std::string with_listen(std::string_view text) { return "listen: [{unix: /n}]\n" + std::string(text); }

/// A configuration of paths p1 to p4 and one map `m` made of `lines`, which begin in line 4.
inline std::string with_map(std::string_view lines) {
    return with_listen(
               "paths: {p1: file:///1, p2: file:///2, p3: file:///3, p4: file:///4}\nmultipaths:\n  m:\n") +
           std::string(lines);
}

} // namespace config_test
