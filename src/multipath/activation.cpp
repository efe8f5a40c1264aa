// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/activation.hpp"

#include "multipath/table.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace multipath {

struct Activation::Attempt final : handler::ActivationObserver {
    Attempt(Activation &activation, Path &attempted)
        : owner(activation)
        , path(attempted) {}
    void activated(handler::Result result) noexcept override { owner.ended(*this, result); }

    Activation &owner;
    Path &path;
    bool waiting = false; ///< for the end of the delay
    bool running = false; ///< waiting, or with the handler
};

Activation::Activation(base::Scheduler &scheduler, Table &table, Owner &owner)
    : table_(table)
    , owner_(owner)
    , delay_(scheduler, base::Delegate<>::to<&Activation::end_delay>(*this)) {
    for (const auto &group : table.groups())
        for (const auto &path : group->paths)
            attempts_.push_back(std::make_unique<Attempt>(*this, *path));
}

Activation::~Activation() { assert(running_ == 0); }

Activation::Attempt &Activation::attempt_at(const Path &path) noexcept {
    return **std::ranges::find_if(attempts_,
                                  [&path](const auto &attempt) { return &attempt->path == &path; });
}

void Activation::begin_round(const PriorityGroup &group, base::Duration delay) {
    assert(!running());
    // All are counted first: a handler may have the first result before the last path is asked.
    for (const auto &path : group.paths) {
        if (!path->active)
            continue;
        Attempt &attempt = attempt_at(*path);
        attempt.waiting = attempt.running = true;
        ++running_;
    }
    if (running_ == 0)
        return;
    if (delay > base::Duration::zero())
        delay_.start_in(delay);
    else
        end_delay();
}

void Activation::end_delay() noexcept {
    // All are taken first: the last one may end at once, and the round that follows has its own delay.
    std::vector<Attempt *> due;
    for (const auto &attempt : attempts_)
        if (std::exchange(attempt->waiting, false))
            due.push_back(attempt.get());
    for (Attempt *attempt : due)
        start(*attempt);
}

void Activation::stop_waiting() noexcept {
    delay_.cancel();
    for (const auto &attempt : attempts_) {
        if (!std::exchange(attempt->waiting, false))
            continue;
        attempt->running = false;
        --running_;
    }
}

void Activation::activate(Path &path) noexcept {
    Attempt &attempt = attempt_at(path);
    if (attempt.running)
        return;
    attempt.running = true;
    ++running_;
    start(attempt);
}

void Activation::start(Attempt &attempt) noexcept {
    // It may have failed during the delay.
    if (attempt.path.active)
        table_.handler()->activate(*attempt.path.device, attempt);
    else
        ended(attempt, handler::Result::offlined);
}

void Activation::ended(Attempt &attempt, handler::Result result) noexcept {
    attempt.running = false;
    --running_;
    owner_.path_activated(attempt.path, result);
    if (running_ == 0)
        owner_.round_over();
}

} // namespace multipath
