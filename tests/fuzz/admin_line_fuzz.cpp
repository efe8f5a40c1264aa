// SPDX-License-Identifier: BSD-3-Clause
// What a client of the admin socket sends, in pieces; the first byte says of what size.
#include "admin/line_reader.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "command/command.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0)
        return 0;
    std::string_view bytes(reinterpret_cast<const char *>(data) + 1, size - 1);
    const std::size_t piece = data[0] + std::size_t{1};
    admin::LineReader reader;
    std::string line;
    while (!bytes.empty()) {
        reader.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        for (;;) {
            const auto result = reader.next(line);
            if (result == admin::LineReader::Result::too_long)
                return 0;
            if (result == admin::LineReader::Result::none)
                break;
            if (line.size() > admin::LineReader::longest_line || line.find('\n') != std::string::npos)
                std::abort();
            const auto words = base::split_words(line);
            if (words.empty())
                continue;
            try {
                (void)command::get_row(words.front()).usage();
            } catch (const base::Error &) {
                // no such command
            }
        }
    }
    return 0;
}
