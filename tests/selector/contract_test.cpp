// SPDX-License-Identifier: BSD-3-Clause
// What every selector promises: semantics reference 1.5.
#include "selector/selector.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr unsigned path_count = 5;

std::unique_ptr<selector::Selector> make(const selector::Type &type) {
    auto made = type.create({}, {});
    for (selector::PathIndex path = 0; path < path_count; ++path)
        made->add_path(path, {});
    return made;
}
base::TimePoint at(int milliseconds) {
    return base::TimePoint(std::chrono::milliseconds(3600000 + milliseconds));
}
long words_in(const std::string &text) { return text.empty() ? 0 : std::ranges::count(text, ' ') + 1; }

} // namespace

TEST_CASE("every type has a name of one word, a summary, and is found by its name") {
    CHECK(!selector::all_types().empty());
    for (const selector::Type *type : selector::all_types()) {
        CHECK(selector::find_type(type->name) == type);
        CHECK(type->name.find(' ') == std::string_view::npos);
        CHECK(!type->summary.empty());
    }
    CHECK(selector::find_type("no-such") == nullptr);
    CHECK(selector::find_type("") == nullptr);
}

TEST_CASE("every selector offers all its paths when they are idle") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        const auto made = make(*type);
        std::vector<bool> offered(path_count);
        for (int i = 0; i < 100; ++i) {
            const auto choice = made->select_path(4096, at(i));
            REQUIRE(choice);
            REQUIRE(choice->path < path_count);
            offered[choice->path] = true;
        }
        CHECK(std::ranges::count(offered, true) == path_count);
    }
}

TEST_CASE("every selector offers nothing without an active path, and the one that comes back") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        CHECK_FALSE(type->create({}, {})->select_path(0, at(0)));
        const auto made = make(*type);
        for (selector::PathIndex path = 0; path < path_count; ++path)
            made->fail_path(path);
        CHECK_FALSE(made->select_path(4096, at(1)));
        made->reinstate_path(3);
        for (int i = 0; i < 3; ++i) {
            const auto choice = made->select_path(4096, at(2));
            REQUIRE(choice);
            CHECK(choice->path == 3);
        }
    }
}

TEST_CASE("every selector shows as many words per path as it says") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        const auto made = make(*type);
        for (selector::PathIndex path = 0; path < path_count; ++path) {
            CHECK(words_in(made->path_info(path)) == made->info_width());
            CHECK(words_in(made->path_table(path)) == made->table_width());
        }
        CHECK(words_in(made->info()) >= 1);
        CHECK(words_in(made->table()) >= 1);
    }
}

TEST_CASE("no selector takes junk as a path argument") {
    const std::vector<std::string> junk = {"x"};
    const std::vector<std::string> many(20, "1");
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        CHECK_THROWS_AS(type->create({}, {})->add_path(0, junk), base::Error);
        CHECK_THROWS_AS(type->create({}, {})->add_path(0, many), base::Error);
    }
}

TEST_CASE("whatever happens, every selector offers an active path exactly when there is one") {
    for (const selector::Type *type : selector::all_types()) {
        for (unsigned seed = 1; seed <= 50; ++seed) {
            CAPTURE(type->name);
            CAPTURE(seed);
            std::mt19937 random(seed);
            const auto below = [&random](unsigned bound) {
                return std::uniform_int_distribution<unsigned>(0, bound - 1)(random);
            };
            const auto made = make(*type);
            std::vector<bool> active(path_count, true);
            std::vector<std::pair<selector::PathIndex, int>> in_flight;
            for (int step = 0; step < 300; ++step) {
                const unsigned path = below(path_count);
                switch (below(5)) {
                case 0:
                    if (active[path])
                        made->fail_path(path);
                    active[path] = false;
                    break;
                case 1:
                    if (!active[path])
                        made->reinstate_path(path);
                    active[path] = true;
                    break;
                case 2:
                    if (!in_flight.empty()) {
                        made->end_io(in_flight.back().first, 4096, at(in_flight.back().second), at(step));
                        in_flight.pop_back();
                    }
                    break;
                default:
                    const auto choice = made->select_path(4096, at(step));
                    CHECK(choice.has_value() == (std::ranges::count(active, true) != 0));
                    if (choice) {
                        CHECK(active[choice->path]);
                        made->start_io(choice->path, 4096, at(step));
                        in_flight.emplace_back(choice->path, step);
                    }
                }
            }
        }
    }
}
