// SPDX-License-Identifier: BSD-3-Clause
#include "command/command.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "command/family_list.hpp"

namespace command {

namespace {
constexpr std::size_t longest_quote = 64;
} // namespace

std::string Row::usage() const {
    return arguments.empty() ? std::string(name) : fmt::format("{} {}", name, arguments);
}

std::vector<const Row *> all_rows() {
    std::vector<const Row *> rows;
    for (const Family *family : registered)
        for (const Row &row : *family)
            rows.push_back(&row);
    return rows;
}

const Row *find_row(std::string_view name) noexcept {
    for (const Family *family : registered)
        for (const Row &row : *family)
            if (row.name == name)
                return &row;
    return nullptr;
}

const Row &get_row(std::string_view name) {
    if (const Row *row = find_row(name))
        return *row;
    // The distance to a name grows with the square of its length: a long word is no typing error.
    const std::string_view quote = name.substr(0, longest_quote);
    std::vector<std::string_view> names;
    for (const Row *row : all_rows())
        names.push_back(row->name);
    const std::string_view nearest = name.size() > longest_quote ? "" : base::nearest_word(name, names);
    if (nearest.empty())
        throw base::Error(EINVAL, "unknown command '{}'; 'help' lists them", quote);
    throw base::Error(EINVAL, "unknown command '{}'; did you mean '{}'?", quote, nearest);
}

void run(const CallPointer &call, Maps &maps) {
    try {
        const Row &row = get_row(call->name());
        if (call->arguments().size() < row.fewest || call->arguments().size() > row.most)
            throw base::Error(EINVAL, "usage: {}", row.usage());
        if (row.changes)
            call->log_end();
        row.run(call, maps);
    } catch (const base::Error &error) {
        call->fail(error);
    }
}

} // namespace command
