// SPDX-License-Identifier: BSD-3-Clause
// simulate: the core under virtual time, with everything that can happen to it in random order.
#include "runner.hpp"
#include "setup.hpp"
#include "verdict.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace {

constexpr const char *usage =
    R"(usage: simulate [--seed N] [--runs N] [--random] [--actions TEXT] [--no-shrink]
  --seed N        the first seed (1)
  --runs N        how many seeds, one after the other (1; 0: for ever)
  --random        from a random seed on
  --actions TEXT  these instead of the seed's own
  --no-shrink     print the failing run as it is
  --expect-violation ghosts|caches   the map is told that there is no such thing: succeeds
                  when that has destroyed data
  --trace         tell what happens; with --no-shrink
)";

struct Options {
    std::uint64_t seed = 1;
    std::uint64_t runs = 1;
    bool random = false;
    bool shrinks = true;
    std::optional<std::string> actions;
};

std::uint64_t number(const char *text) {
    const auto value = base::parse_number(text == nullptr ? "" : text);
    if (!value)
        throw base::Error(EINVAL, "'{}' is no number", text == nullptr ? "" : text);
    return *value;
}

sim::Setup::Unsafe hazard(std::string_view word) {
    if (word != "ghosts" && word != "caches")
        throw base::Error(EINVAL, "'{}' is no hazard", word);
    return word == "ghosts" ? sim::Setup::Unsafe::ghosts : sim::Setup::Unsafe::caches;
}

Options parse(char **words) {
    Options options;
    while (*++words != nullptr) {
        const std::string word = *words;
        if (word == "--seed")
            options.seed = number(*++words);
        else if (word == "--runs")
            options.runs = number(*++words);
        else if (word == "--actions" && words[1] != nullptr)
            options.actions = *++words;
        else if (word == "--random")
            options.random = true;
        else if (word == "--trace")
            sim::Verdict::traces = true;
        else if (word == "--expect-violation" && words[1] != nullptr)
            sim::Setup::unsafe = hazard(*++words);
        else if (word == "--shared-caches")
            sim::Setup::shares_caches = true;
        else if (word == "--no-shrink")
            options.shrinks = false;
        else
            throw base::Error(EINVAL, "'{}' is no option\n{}", word, usage);
    }
    return options;
}

void describe(const sim::Failure &failure, const std::vector<sim::Action> &actions) {
    const sim::Setup setup(failure.seed);
    fmt::print("seed {} fails: {}\n", failure.seed, failure.text);
    static constexpr std::array policies{"retry", "hold", "fail"};
    fmt::print(
        "on compat: {}, cache: {}, eio: {}, no_path_timeout: {} ms, ambiguous_writes: {} {} ms\ntable: {}\n",
        setup.options.rules.compat == &multipath::kernel ? "kernel" : "seed",
        setup.options.independent_caches ? "independent" : "shared",
        setup.options.verify_eio ? "verify" : "path", setup.options.no_path_timeout.count(),
        policies[static_cast<std::size_t>(setup.options.ambiguous_writes)],
        setup.options.ambiguous_hold.count(), setup.table.text());
    for (const sim::Action &action : actions)
        if (action.kind == sim::Kind::load)
            fmt::print("load:{}: {}\n", action.numbers[0],
                       sim::random_table(action.numbers[0], setup.disks_independent).text());
    fmt::print("again: simulate --seed {} --actions '{}'\n", failure.seed, sim::text_of(actions));
}

int explain(sim::Failure failure, std::vector<sim::Action> actions, bool shrinks) {
    if (shrinks) {
        fmt::print("seed {} fails: {}\nlooking for fewer actions than {} …\n", failure.seed, failure.text,
                   actions.size());
        std::fflush(stdout);
        actions = sim::shrink(failure.seed, std::move(actions));
        if (const auto shrunk = sim::run_actions(failure.seed, actions))
            failure.text = shrunk->text;
    }
    describe(failure, actions);
    return 1;
}

/// 0 when all went well. In portions, so that a long run shows that it goes on.
int run(std::uint64_t first, std::uint64_t runs, bool shrinks) {
    constexpr std::uint64_t portion = 5000;
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t done = 0; runs == 0 || done < runs;) {
        const std::uint64_t count = runs == 0 ? portion : std::min(portion, runs - done);
        if (const auto failure = sim::run_seeds(first + done, count)) {
            fmt::print("after {} runs: ", failure->seed - first + 1);
            return explain(*failure, sim::actions_of(failure->seed), shrinks);
        }
        done += count;
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
        fmt::print("seeds {} to {} are in order, {:.0f} a second\n", first, first + done - 1,
                   static_cast<double>(done) / passed.count());
        std::fflush(stdout);
    }
    return 0;
}

int expect_violation(std::uint64_t first, std::uint64_t runs) {
    const auto failure = sim::run_seeds(first, runs);
    if (!failure)
        fmt::print("{} runs, and no harm was done\n", runs);
    else
        fmt::print("after {} runs: seed {} fails: {}\n", failure->seed - first + 1, failure->seed,
                   failure->text);
    return failure && failure->text.find("an acknowledged write is missing") != std::string::npos ? 0 : 1;
}

} // namespace

int main(int, char **words) {
    try {
        Options options = parse(words);
        if (options.actions) {
            const auto actions = sim::parse_actions(*options.actions);
            const auto failure = sim::run_actions(options.seed, actions);
            return failure ? explain(*failure, actions, options.shrinks) : 0;
        }
        // The sanitizers' runs look for other things, and are slow.
        if (std::getenv("NBDMPATH_SANITIZED") != nullptr)
            options.runs = (options.runs + 9) / 10;
        if (options.random)
            options.seed = std::random_device{}() * std::uint64_t{1000000};
        fmt::print("{} runs from seed {} on\n", options.runs, options.seed);
        std::fflush(stdout);
        if (sim::Setup::unsafe != sim::Setup::Unsafe::nothing)
            return expect_violation(options.seed, options.runs);
        return run(options.seed, options.runs, options.shrinks);
    } catch (const base::Error &error) {
        fmt::print(stderr, "simulate: {}\n", error.what());
        return 2;
    }
}
