// SPDX-License-Identifier: BSD-3-Clause
#include "admin/line_reader.hpp"

#include <doctest/doctest.h>
#include <vector>

using admin::LineReader;
using Result = LineReader::Result;

namespace {
std::vector<std::string> lines_of(LineReader &reader, std::string_view bytes) {
    reader.feed(bytes);
    std::vector<std::string> lines;
    std::string line;
    while (reader.next(line) == Result::line)
        lines.push_back(line);
    return lines;
}
using Lines = std::vector<std::string>;
} // namespace

TEST_CASE("lines end in LF, CRLF or telnet's CR NUL") {
    LineReader reader;
    CHECK(lines_of(reader, {"a\nb\r\nc\r\0\n\r\nd", 12}) == Lines{"a", "b", "c", "", ""});
    CHECK(lines_of(reader, "\n") == Lines{"d"});
}

TEST_CASE("a line arrives byte by byte as it does at once") {
    LineReader reader;
    Lines all;
    for (const char c : std::string("status\r\nls\n"))
        for (const std::string &line : lines_of(reader, {&c, 1}))
            all.push_back(line);
    CHECK(all == Lines{"status", "ls"});
}

TEST_CASE("telnet negotiation is taken out wherever it is cut") {
    const std::string bytes = "\xff\xfd\x03l\xff\xfa\x18\x01\xff\xff\n\xff\xf0s\xff\xf4\xff\xff\n";
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        LineReader reader;
        Lines all = lines_of(reader, std::string_view(bytes).substr(0, cut));
        for (const std::string &line : lines_of(reader, std::string_view(bytes).substr(cut)))
            all.push_back(line);
        CHECK(all == Lines{"ls\xff"});
    }
}

TEST_CASE("a line of 64 KiB is a line, one byte more is too long") {
    for (const std::string_view end : {"\n", "\r\n"}) {
        LineReader reader;
        std::string line;
        reader.feed(std::string(LineReader::longest_line, 'x'));
        CHECK(reader.next(line) == Result::none);
        reader.feed(end);
        CHECK(reader.next(line) == Result::line);
        CHECK(line.size() == LineReader::longest_line);
        reader.feed(std::string(LineReader::longest_line + 1, 'x'));
        reader.feed(end);
        CHECK(reader.next(line) == Result::too_long);
    }
}

TEST_CASE("a line without an end is too long before it is much longer than a line may be") {
    LineReader reader;
    std::string line;
    while (!reader.full())
        reader.feed(std::string(1000, 'x'));
    CHECK(reader.next(line) == Result::too_long);
}

TEST_CASE("a full reader always has something to say") {
    LineReader reader;
    std::string line;
    for (int round = 0; round < 10; ++round) {
        while (!reader.full())
            reader.feed("status mpatha\n");
        while (reader.next(line) == Result::line)
            CHECK(line == "status mpatha");
        CHECK_FALSE(reader.full());
    }
}
