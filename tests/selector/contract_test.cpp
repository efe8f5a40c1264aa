// SPDX-License-Identifier: BSD-3-Clause
// What every selector promises: semantics reference 1.5.
#include "selector/selector.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <new>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr unsigned path_count = 5;
std::size_t allocations = 0;

std::unique_ptr<selector::Selector> make(const selector::Type &type) {
    auto made = type.create({}, {});
    for (selector::PathIndex path = 0; path < path_count; ++path)
        made->add_path(path, {});
    return made;
}
base::TimePoint at(int milliseconds) {
    return base::TimePoint(std::chrono::milliseconds(3600000 + milliseconds));
}
/// The words of a status text, which must stand with one blank between them and none around.
std::vector<std::string> words_of(const std::string &text) {
    auto words = base::split_words(text);
    CHECK(fmt::format("{}", fmt::join(words, " ")) == text);
    return words;
}
std::string status_of(const selector::Selector &one) {
    std::string text = one.info() + '/' + one.table();
    for (selector::PathIndex path = 0; path < path_count; ++path)
        text += '/' + one.path_info(path) + '/' + one.path_table(path);
    return text;
}

/// Anything that a map may do with a selector, in random order, and the checks that always hold.
class Walk {
public:
    Walk(const selector::Type &type, unsigned seed)
        : selector(make(type))
        , random_(seed) {}

    void run(int steps) {
        for (int step = 0; step < steps; ++step) {
            const unsigned path = below(path_count);
            switch (below(5)) {
            case 0:
                if (active_[path])
                    selector->fail_path(path);
                active_[path] = false;
                break;
            case 1:
                if (!active_[path])
                    selector->reinstate_path(path);
                active_[path] = true;
                break;
            case 2:
                end_one(step);
                break;
            default:
                send(step);
            }
        }
    }

    std::unique_ptr<selector::Selector> selector;
    std::string choices;

private:
    struct Sent {
        selector::PathIndex path;
        std::uint64_t length;
        int started;
    };

    unsigned below(unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(random_); }
    void send(int step) {
        const std::uint64_t length = 512 * below(256); // 0: a flush
        const auto choice = selector->select_path(length, at(step));
        CHECK(choice.has_value() == (std::ranges::count(active_, true) != 0));
        if (!choice)
            return;
        CHECK(active_.at(choice->path));
        choices += static_cast<char>('0' + choice->path);
        selector->start_io(choice->path, length, at(step));
        in_flight_.push_back({choice->path, length, step});
    }
    void end_one(int step) {
        if (in_flight_.empty())
            return;
        const auto any = in_flight_.begin() + below(static_cast<unsigned>(in_flight_.size()));
        selector->end_io(any->path, any->length, at(any->started), at(step));
        in_flight_.erase(any);
    }

    std::mt19937 random_;
    std::vector<bool> active_ = std::vector<bool>(path_count, true);
    std::vector<Sent> in_flight_;
};

} // namespace

#if !defined(__SANITIZE_THREAD__) // g++ takes a replaced operator for a mistake there
// Counts what this program allocates.
void *operator new(std::size_t size) {
    ++allocations;
    if (void *memory = std::malloc(size == 0 ? 1 : size))
        return memory;
    throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
#endif

TEST_CASE("every type has a name of one word, a summary, and is found by its exact name") {
    CHECK(!selector::all_types().empty());
    for (const selector::Type *type : selector::all_types()) {
        CHECK(selector::find_type(type->name) == type);
        CHECK(type->name.find(' ') == std::string_view::npos);
        CHECK(!type->summary.empty());
        std::string name(type->name);
        name[0] = static_cast<char>(name[0] - 'a' + 'A');
        CHECK(selector::find_type(name) == nullptr);
    }
    CHECK(selector::find_type("no-such") == nullptr);
    CHECK(selector::find_type("") == nullptr);
}

TEST_CASE("every selector uses idle paths of equal merit equally") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        const auto made = make(*type);
        std::vector<unsigned> used(path_count);
        for (int i = 0; i < 20 * static_cast<int>(path_count); ++i) {
            const auto choice = made->select_path(4096, at(2 * i));
            REQUIRE(choice);
            REQUIRE(choice->path < path_count);
            ++used[choice->path];
            made->start_io(choice->path, 4096, at(2 * i));
            made->end_io(choice->path, 4096, at(2 * i), at(2 * i + 1));
        }
        CHECK(std::ranges::count(used, 20U) == path_count);
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

TEST_CASE("no selector keeps a request on a path that nobody told it to") {
    for (const selector::Type *type : selector::all_types())
        CHECK(make(*type)->select_path(4096, at(0))->repeat_count == 1);
}

TEST_CASE("every selector shows as many words per path as it says") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        Walk walk(*type, 1);
        for (int i = 0; i < 10; ++i) {
            for (selector::PathIndex path = 0; path < path_count; ++path) {
                CHECK(words_of(walk.selector->path_info(path)).size() == walk.selector->info_width());
                CHECK(words_of(walk.selector->path_table(path)).size() == walk.selector->table_width());
            }
            // Its own words are counted by the first.
            for (const std::string &text : {walk.selector->info(), walk.selector->table()})
                CHECK(words_of(text).at(0) == fmt::to_string(words_of(text).size() - 1));
            walk.run(20);
        }
    }
}

TEST_CASE("what a selector shows in TABLE does not change with use") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        const auto tables = [](const selector::Selector &one) {
            std::string text = one.table();
            for (selector::PathIndex path = 0; path < path_count; ++path)
                text += '/' + one.path_table(path);
            return text;
        };
        Walk walk(*type, 2);
        const std::string before = tables(*walk.selector);
        walk.run(300);
        CHECK(tables(*walk.selector) == before);
    }
}

TEST_CASE("what a request changed in INFO when it was sent is as before when it came back") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        Walk walk(*type, 3);
        walk.run(300); // leaves some in flight
        selector::Selector &one = *walk.selector;
        for (selector::PathIndex path = 0; path < path_count; ++path) {
            const auto before = words_of(one.path_info(path));
            for (int i = 0; i < 3; ++i)
                one.start_io(path, 8192, at(1000 + i));
            const auto during = words_of(one.path_info(path));
            for (int i = 0; i < 3; ++i)
                one.end_io(path, 8192, at(1000 + i), at(2000));
            const auto after = words_of(one.path_info(path));
            for (std::size_t word = 0; word < before.size(); ++word)
                if (during[word] != before[word])
                    CHECK(after[word] == before[word]);
        }
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
    for (const selector::Type *type : selector::all_types())
        for (unsigned seed = 1; seed <= 50; ++seed) {
            CAPTURE(type->name);
            CAPTURE(seed);
            Walk(*type, seed).run(300);
        }
}

TEST_CASE("the same calls give the same choices and the same status") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        Walk one(*type, 7);
        Walk other(*type, 7);
        one.run(1000);
        other.run(1000);
        CHECK(one.choices == other.choices);
        CHECK(status_of(*one.selector) == status_of(*other.selector));
    }
}

TEST_CASE("no selector allocates once the table is built, even if all paths had failed by then") {
    for (const selector::Type *type : selector::all_types()) {
        CAPTURE(type->name);
        auto made = type->create({}, {});
        for (selector::PathIndex path = 0; path < path_count; ++path) {
            made->add_path(path, {});
            made->fail_path(path);
        }
        const std::size_t before = allocations;
        for (selector::PathIndex path = 0; path < path_count; ++path)
            made->reinstate_path(path);
        for (int i = 0; i < 100; ++i)
            if (const auto choice = made->select_path(4096, at(i)))
                made->start_io(choice->path, 4096, at(i));
        made->end_io(0, 4096, at(0), at(200));
        CHECK(allocations == before);
    }
}
