// SPDX-License-Identifier: BSD-3-Clause
// What a request costs in a selector: choice, start and end, with 32 requests in flight. CPU time, so that
// other programs do not matter much.
#include "selector/selector.hpp"

#include <array>
#include <ctime>
#include <fmt/format.h>

namespace {

constexpr int rounds = 2'000'000;
constexpr std::size_t depth = 32;

double nanoseconds_per_request(const selector::Type &type, unsigned paths) {
    const auto made = type.create({}, {});
    for (selector::PathIndex path = 0; path < paths; ++path)
        made->add_path(path, {});
    std::array<selector::PathIndex, depth> sent{};
    std::array<base::TimePoint, depth> started{};
    const std::clock_t begin = std::clock();
    for (std::size_t i = 0; i < rounds; ++i) {
        const std::size_t slot = i % depth;
        const base::TimePoint now{std::chrono::nanoseconds(i * 700)};
        if (i >= depth)
            made->end_io(sent[slot], 4096, started[slot], now);
        sent[slot] = made->select_path(4096, now)->path;
        started[slot] = now;
        made->start_io(sent[slot], 4096, now);
    }
    return static_cast<double>(std::clock() - begin) * 1e9 / CLOCKS_PER_SEC / rounds;
}

} // namespace

int main() {
    for (const selector::Type *type : selector::all_types())
        for (const unsigned paths : {2U, 4U, 16U})
            fmt::print("{}, {} paths: {:.1f} ns a request\n", type->name, paths,
                       nanoseconds_per_request(*type, paths));
}
