// SPDX-License-Identifier: BSD-3-Clause
// Invariants I1, I2 and I4 of the semantics reference (1.6) after every step of a seeded random walk.
#include "rig.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace std::chrono_literals;

namespace {

class Walk {
public:
    explicit Walk(unsigned seed)
        : random_(seed)
        , rig_(random_table(),
               {.independent_caches = below(2) == 0, .no_path_timeout = below(3) == 0 ? 2s : 0s}) {}

    void run() {
        for (int step = 0; step < 150; ++step) {
            one_step();
            rig_.scheduler.run();
            check_invariants();
        }
        finish();
    }

private:
    std::size_t below(std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
    }
    std::string any_path() { return "P" + std::to_string(below(5) + 1); }

    std::string random_table() {
        const std::size_t groups = below(3) + 1;
        std::string table = (below(2) != 0 ? "1 queue_if_no_path 0 " : "0 0 ") + std::to_string(groups) +
                            " " + std::to_string(below(4) + 1);
        for (std::size_t group = 0; group < groups; ++group) {
            const std::size_t paths = below(3) + 1;
            table += " round-robin 0 " + std::to_string(paths) + " 1";
            for (std::size_t i = 0; i < paths; ++i)
                table += " " + any_path() + " " + std::to_string(below(4));
        }
        return table;
    }

    void one_step() {
        static const std::vector<std::string> group_verbs = {"switch_group", "disable_group", "enable_group"};
        static const block::Operation operations[] = {
            block::Operation::read, block::Operation::write, block::Operation::flush,
            block::Operation::trim, block::Operation::cache, block::Operation::write_zeroes};
        static const block::Status answers[] = {block::Status::success(),
                                                block::Status::success(),
                                                block::Status::path_error(EIO),
                                                block::Status::target_error(ENOSPC),
                                                {block::Outcome::path_delayed, ENOMEM},
                                                {block::Outcome::retry, EINTR},
                                                block::Status::retry(EIO, 2, 50ms),
                                                {block::Outcome::pass, ENOTSUP}};
        fakes::FakeDevice &device = rig_.device(any_path());
        switch (below(13)) {
        case 0:
            rig_.message("fail_path " + any_path());
            break;
        case 1:
            rig_.message("reinstate_path " + any_path());
            break;
        case 2:
            rig_.message(group_verbs[below(3)] + " " + std::to_string(below(4)));
            break;
        case 3:
            rig_.message(below(2) != 0 ? "queue_if_no_path" : "fail_if_no_path");
            break;
        case 4:
            device.answer = answers[below(std::size(answers))];
            break;
        case 5:
            device.holding = true;
            break;
        case 6:
            device.release();
            break;
        case 7:
            device.lose_connection();
            rig_.map.path_lost(device);
            break;
        case 8:
            rig_.map.path_answers(device);
            break;
        case 9:
            rig_.scheduler.advance(std::chrono::milliseconds(below(300)));
            break;
        default:
            rig_.io_and(static_cast<int>(below(4)), operations[below(std::size(operations))], below(4) == 0);
            break;
        }
    }

    void check_invariants() {
        const multipath::Table &table = *rig_.map.live_table();
        unsigned active = 0;
        for (const auto &group : table.groups())
            for (const auto &path : group->paths)
                active += path->active ? 1U : 0U;
        CHECK(table.valid_paths() == active);                                      // I1
        if (const multipath::Path *path = table.current_path(); path != nullptr) { // I2
            CHECK(path->active);
            CHECK(table.current_group() == path->group);
        }
        // I4: with a path, or with nothing to wait for, nothing stays held but for a shortage.
        if (active != 0 || !table.queueing())
            if (rig_.map.held() != 0) {
                rig_.scheduler.advance(100ms);
                CHECK((rig_.map.held() == 0 || rig_.map.live_table()->valid_paths() == 0 || delayed_again()));
            }
        CHECK(std::ranges::count(rig_.results, "twice") == 0);
    }
    /// A request that met a second shortage waits once more; after as many waits as there are paths it is
    /// over.
    bool delayed_again() {
        for (int i = 0; i < 10; ++i)
            rig_.scheduler.advance(100ms);
        return rig_.map.held() == 0 ||
               (rig_.map.live_table()->valid_paths() == 0 && rig_.map.live_table()->queueing());
    }

    void finish() {
        for (int i = 1; i <= 5; ++i) {
            fakes::FakeDevice &device = rig_.device("P" + std::to_string(i));
            device.answer = block::Status::success();
            device.release();
            rig_.message("reinstate_path P" + std::to_string(i));
        }
        rig_.scheduler.advance(10s);
        CHECK(std::ranges::count(rig_.results, "pending") == 0);
        CHECK(rig_.map.held() == 0);
        CHECK(rig_.map.in_flight() == 0);
        CHECK(rig_.scheduler.idle());
    }

    std::mt19937 random_;
    Rig rig_;
};

} // namespace

TEST_CASE("whatever happens, the invariants hold and every request ends once") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Walk(seed).run();
    }
}
