// SPDX-License-Identifier: BSD-3-Clause
#include "runner.hpp"

#include "world.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sim {

namespace {

/// What a run tells the process that waits for it, whatever becomes of it.
struct Report {
    std::uint64_t seed;
    char text[2048];
};

Report &shared_report() {
    static auto *report = static_cast<Report *>(
        ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    return *report;
}

// A run that computes for so long never ends.
void limit_processor_time(int seconds) {
    const itimerval limit{{0, 0}, {seconds, 0}};
    ::setitimer(ITIMER_VIRTUAL, &limit, nullptr);
}

void run(std::uint64_t seed, const std::vector<Action> &actions, Report &report) {
    report.seed = seed;
    limit_processor_time(20);
    Verdict verdict;
    auto *world = new World(verdict, seed); // given back only by a run that is in order
    for (std::size_t i = 0; i < actions.size() && !verdict.failed(); ++i) {
        verdict.note("{}", text_of(actions[i]));
        world->perform(actions[i]);
        if (verdict.failed())
            verdict = [&] {
                Verdict placed;
                placed.fail("{} (at action {}, {})", verdict.text(), i, text_of(actions[i]));
                return placed;
            }();
    }
    if (!verdict.failed())
        world->finish();
    if (!verdict.failed()) {
        delete world;
        return;
    }
    std::snprintf(report.text, sizeof report.text, "%s", verdict.text().c_str());
    std::fflush(nullptr);
    ::_exit(1);
}

template <typename Runs>
std::optional<Failure> in_own_process(Runs runs) {
    Report &report = shared_report();
    report.seed = 0;
    report.text[0] = '\0';
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        runs(report);
        std::exit(0); // those that count lines or leaks hear of it
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return std::nullopt;
    if (report.text[0] != '\0')
        return Failure{report.seed, report.text};
    return Failure{report.seed,
                   fmt::format("the core died: {}",
                               WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "a sanitizer has more")};
}

std::vector<Action> without(const std::vector<Action> &actions, std::size_t begin, std::size_t end) {
    std::vector<Action> rest(actions.begin(), actions.begin() + static_cast<std::ptrdiff_t>(begin));
    rest.insert(rest.end(), actions.begin() + static_cast<std::ptrdiff_t>(end), actions.end());
    return rest;
}

} // namespace

std::vector<Action> actions_of(std::uint64_t seed) {
    Random random(seed);
    std::vector<Action> actions(Setup(seed).length);
    for (Action &action : actions)
        action = random_action(random);
    return actions;
}

std::optional<Failure> run_seeds(std::uint64_t first, std::uint64_t count) {
    return in_own_process([first, count](Report &report) {
        for (std::uint64_t seed = first; seed < first + count; ++seed)
            run(seed, actions_of(seed), report);
    });
}

std::optional<Failure> run_actions(std::uint64_t seed, const std::vector<Action> &actions) {
    return in_own_process([seed, &actions](Report &report) { run(seed, actions, report); });
}

std::vector<Action> shrink(std::uint64_t seed, std::vector<Action> actions) {
    for (std::size_t piece = std::max<std::size_t>(actions.size() / 2, 1);; piece /= 2) {
        for (std::size_t begin = 0; begin < actions.size();) {
            auto fewer = without(actions, begin, std::min(begin + piece, actions.size()));
            if (run_actions(seed, fewer))
                actions = std::move(fewer);
            else
                begin += piece;
        }
        if (piece <= 1)
            break;
    }
    // Everything in its own step is easier to read.
    for (Action &action : actions) {
        const auto tasks = std::exchange(action.tasks, std::nullopt);
        if (tasks && !run_actions(seed, actions))
            action.tasks = tasks;
    }
    return actions;
}

} // namespace sim
