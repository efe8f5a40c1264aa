// SPDX-License-Identifier: BSD-3-Clause
#include "base/list.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

struct Letter : base::ListHook {
    explicit Letter(char letter)
        : text(letter) {}
    char text;
};

std::string drained(base::List<Letter> &list) {
    std::string result;
    while (!list.empty())
        result += list.pop_front().text;
    return result;
}

} // namespace

TEST_CASE("elements leave a list in the order they were appended") {
    Letter a('a');
    Letter b('b');
    Letter c('c');
    base::List<Letter> list;
    CHECK(list.empty());
    list.push_back(b);
    list.push_back(c);
    list.push_front(a);
    CHECK(a.linked());
    CHECK(&list.front() == &a);
    CHECK(drained(list) == "abc");
    CHECK_FALSE(a.linked());
}

TEST_CASE("an element unlinks itself from the middle, the front and the end") {
    Letter letters[] = {Letter('a'), Letter('b'), Letter('c'), Letter('d')};
    base::List<Letter> list;
    for (Letter &letter : letters)
        list.push_back(letter);
    letters[1].unlink();
    letters[0].unlink();
    letters[3].unlink();
    CHECK(drained(list) == "c");
}

TEST_CASE("take_all appends the other list and empties it") {
    Letter a('a');
    Letter b('b');
    Letter c('c');
    base::List<Letter> list;
    base::List<Letter> other;
    list.take_all(other);
    CHECK(list.empty());
    list.push_back(a);
    other.push_back(b);
    other.push_back(c);
    list.take_all(other);
    CHECK(other.empty());
    CHECK(drained(list) == "abc");
}

TEST_CASE("visiting may unlink the visited element") {
    Letter letters[] = {Letter('a'), Letter('b'), Letter('c')};
    base::List<Letter> list;
    for (Letter &letter : letters)
        list.push_back(letter);
    std::string seen;
    list.for_each([&seen](Letter &letter) {
        seen += letter.text;
        if (letter.text != 'b')
            letter.unlink();
    });
    CHECK(seen == "abc");
    CHECK(drained(list) == "b");
}
