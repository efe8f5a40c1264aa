// SPDX-License-Identifier: BSD-3-Clause
#include "config/document.hpp"

#include "config/fixture.hpp"

#include <random>

using namespace config_test;

namespace {

std::string error_of(std::string_view text) {
    try {
        const config::Document document(text, "t.yaml");
    } catch (const config::Error &error) {
        return error.what();
    }
    return {};
}

std::string repeated(std::string_view text, int times) {
    std::string result;
    for (int i = 0; i < times; ++i)
        result += text;
    return result;
}

} // namespace

TEST_CASE("every node has the place where it stands, counted from 1") {
    const config::Document document("a: 1\nb:\n  - x\n  - {y: z}\n", "t.yaml");
    const auto &[key, value] = document.root().entries.at(1);
    CHECK(key->line == 2);
    CHECK(key->column == 1);
    CHECK(value->items.at(0)->line == 3);
    CHECK(value->items.at(0)->column == 5);
    CHECK(value->items.at(1)->entries.at(0).second->column == 9);
}

TEST_CASE("duplicate keys are kept") {
    const config::Document document("a: 1\na: 2\n", "t.yaml");
    CHECK(document.root().entries.size() == 2);
}

TEST_CASE("an alias stands for its anchor's node") {
    const config::Document document("a: &x {b: c}\nd: *x\n", "t.yaml");
    CHECK(document.root().entries.at(1).second->entries.at(0).second->text == "c");
}

TEST_CASE("what is not YAML is one problem with its place") {
    CHECK(error_of("a: b: c\n") == "t.yaml:1:5: not valid YAML: illegal map value");
    CHECK(error_of("a: *nowhere\n") != "");
}

TEST_CASE("a text without content is empty") {
    for (const char *text : {"", "\n\n", "# only a comment\n", "---\n", "~"})
        CHECK(error_of(text).starts_with("t.yaml:1:1: the file is empty"));
}

TEST_CASE("a second document is a problem") {
    CHECK(error_of("a: 1\n---\nb: 2\n").starts_with("t.yaml:2:1: a second YAML document"));
}

TEST_CASE("a list or a single value is no configuration") {
    CHECK(errors("- a\n") == Lines{"t.yaml:1:1: configuration: expected a mapping (key: value), not a list"});
    CHECK(errors("a\n") ==
          Lines{"t.yaml:1:1: configuration: expected a mapping (key: value), not a single value"});
}

TEST_CASE("a text beyond 1 MiB is refused") {
    CHECK(error_of(std::string((1 << 20) + 1, ' ')) == "t.yaml:1:1: larger than 1 MiB");
}

TEST_CASE("deep nesting is refused") {
    for (const char *opening : {"[", "{a: ", "- ", "? "})
        CHECK(error_of(repeated(opening, 20'000)).find("nested deeper than 32 levels") != std::string::npos);
}

TEST_CASE("aliases that multiply are refused") {
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 20; ++i)
        bomb += fmt::format("a{}: &a{} [{}]\n", i, i, repeated(fmt::format("*a{},", i - 1), 10));
    CHECK(error_of(bomb).find("those of aliases included") != std::string::npos);
}

TEST_CASE("an alias inside of its own anchor is refused") {
    CHECK(error_of("a: &x [1, *x]\n") == "t.yaml:1:11: an alias inside of what it stands for");
}

TEST_CASE("many problems are cut after a hundred") {
    const Lines lines = errors(repeated("? [x]\n: y\n", 5000));
    CHECK(lines.size() == 101);
    CHECK(lines.back().find("more problems") != std::string::npos);
}

TEST_CASE("control characters of the file do not reach the terminal") {
    for (const std::string &line : errors("listen: [{unix: /n}]\n\"a\\e[31m\\n\": 1\n"))
        CHECK(line.find_first_of("\x1b\n") == std::string::npos);
}

TEST_CASE("no mutation of a configuration does anything but parse or report") {
    const std::string seed_text =
        "threads: 2\nlog: {level: info}\nlisten:\n  - unix: /n\n    mode: \"0660\"\n  - tcp: "
        "\"[::1]:10809\"\n"
        "limits: {connections: 5, buffer_memory: 64M}\npaths:\n  p1: file:///1\n"
        "  p2: {uri: \"nbd://h/x\", io_timeout: 3s}\ndefault_export: m\nmultipaths:\n  m: &m\n"
        "    table: \"1 queue_if_no_path 0 1 1 round-robin 0 2 1 p1 1 p2 1\"\n    pg_init_retries: 3\n"
        "    no_path_timeout: 60s\n  n:\n    size: 1G\n    priority_groups:\n      - selector: round-robin\n"
        "        paths: [p1, {path: p2, repeat_count: 7}]\n  o: *m\n";
    CHECK(errors(seed_text).empty());
    const std::string_view pieces[] = {
        "\n", "  ", ":",    ": ",   "- ",    "[", "]", "{", "}",
        "\"", "'",  "&m ",  "*m",   "!",     "|", "?", "0", "99999999999999999999",
        "\\", "\t", "\x01", "\xff", "---\n", "%", "#"};
    std::mt19937 random(20260101);
    const auto below = [&random](std::size_t bound) { return random() % bound; };
    for (int round = 0; round < 4000; ++round) {
        std::string text = seed_text;
        for (std::size_t edits = 1 + below(4); edits > 0 && !text.empty(); --edits) {
            const std::size_t at = below(text.size());
            if (below(2) == 0)
                text.erase(at, below(12));
            else
                text.insert(at, pieces[below(std::size(pieces))]);
        }
        for (const std::string &line : errors(text))
            CHECK(line.starts_with("t.yaml:"));
    }
}
