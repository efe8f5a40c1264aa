// SPDX-License-Identifier: BSD-3-Clause
#include "setup.hpp"

#include "fakes/scripted_handler.hpp"

#include <algorithm>
#include <array>

namespace sim {

namespace {

using namespace std::chrono_literals;

struct SelectorRow {
    std::string_view name;
    unsigned path_words;
};
// A type that is not here gets no arguments.
constexpr SelectorRow known_selectors[] = {
    {"round-robin", 1}, {"queue-length", 1}, {"service-time", 2}, {"historical-service-time", 1}};

GroupSpec random_group(Random &random, std::vector<unsigned> &left, bool single) {
    GroupSpec group;
    const auto types = selector::all_types();
    group.selector = types[random.below(static_cast<unsigned>(types.size()))]->name;
    group.selector_arguments = "0";
    const auto *row = std::ranges::find(known_selectors, group.selector, &SelectorRow::name);
    const unsigned words = row == std::end(known_selectors) ? 0 : row->path_words;
    for (unsigned count = single ? 1 : random.below(3) + 1; count > 0; --count) {
        const unsigned pick = random.below(static_cast<unsigned>(left.size()));
        group.paths.push_back(left[pick]);
        left.erase(left.begin() + pick);
        std::string arguments;
        if (words > 0)
            arguments += fmt::format(" {}", random.below(4));
        if (words > 1)
            arguments += fmt::format(" {}", random.below(5));
        group.path_arguments.push_back(arguments);
    }
    return group;
}

unsigned words_in(std::string_view text) { return static_cast<unsigned>(std::ranges::count(text, ' ')); }

} // namespace

TableSpec random_table(std::uint64_t seed, bool single) {
    Random random(seed);
    TableSpec table;
    table.queueing = random.one_in(2);
    const bool handler = random.one_in(2);
    table.handler = handler && !single; // takeovers and activations together are not foreseen by the model
    if (random.one_in(2))
        table.retries = random.below(4);
    if (random.one_in(2))
        table.delay_msecs = std::array{0, 50, 500}[random.below(3)];
    const unsigned count = random.one_in(25) ? 0 : random.below(3) + 1;
    std::vector<unsigned> left;
    for (unsigned i = 0; i < count; ++i) {
        if (i == 0 || !single)
            left = {0, 1, 2, 3, 4};
        table.groups.push_back(random_group(random, left, single));
    }
    table.initial = count == 0 ? 0 : random.below(4) + 1;
    return table;
}

std::string TableSpec::text() const {
    std::string features;
    if (queueing)
        features += " queue_if_no_path";
    if (retries != 0)
        features += fmt::format(" pg_init_retries {}", retries);
    if (delay_msecs >= 0)
        features += fmt::format(" pg_init_delay_msecs {}", delay_msecs);
    std::string text = fmt::format("{}{} {} {} {}", words_in(features), features,
                                   handler ? "1 scripted" : "0", groups.size(), initial);
    for (const GroupSpec &group : groups) {
        text += fmt::format(" {} {} {} {}", group.selector, group.selector_arguments, group.paths.size(),
                            words_in(group.path_arguments.front()));
        for (std::size_t i = 0; i < group.paths.size(); ++i)
            text += fmt::format(" {}{}", device_name(group.paths[i]), group.path_arguments[i]);
    }
    return text;
}

Setup::Setup(std::uint64_t seed) {
    Random random(seed ^ 0x5e70);
    options.independent_caches = random.one_in(2);
    options.no_path_timeout = random.one_in(3) ? 1500ms : 0ms;
    options.rules.compat = random.one_in(2) ? &multipath::seed : &multipath::kernel;
    options.rules.find_handler = &fakes::HandlerScript::find;
    const std::uint64_t table_seed = random.next();
    starts_by_resume = random.one_in(4);
    ends_by_shutdown = random.one_in(5);
    length = 20 + random.below(100);
    options.verify_eio = random.one_in(3);
    using multipath::AmbiguousWrites;
    static constexpr std::array policies{AmbiguousWrites::hold, AmbiguousWrites::hold, AmbiguousWrites::fail,
                                         AmbiguousWrites::retry};
    options.ambiguous_writes = policies[random.below(policies.size())];
    options.ambiguous_hold = std::array{50ms, 700ms, 5000ms}[random.below(3)];
    options.independent_caches = options.independent_caches && !shares_caches;
    disks_independent = options.independent_caches;
    if (unsafe != Unsafe::nothing)
        options.independent_caches = false;
    if (unsafe == Unsafe::ghosts)
        options.ambiguous_writes = AmbiguousWrites::retry;
    if (unsafe != Unsafe::nothing)
        disks_independent = unsafe == Unsafe::caches;
    if (unsafe == Unsafe::ghosts || options.ambiguous_writes != AmbiguousWrites::retry)
        ghosts_within = options.ambiguous_hold;
    table = random_table(table_seed, disks_independent);
    options.unflushed_limit = std::array<std::size_t, 4>{100, 400, 1500, 64U << 20U}[random.below(4)];
    buffer_memory = std::array<std::size_t, 4>{0, 1U << 15U, 1U << 20U, 1U << 20U}[random.below(4)];
}

} // namespace sim
