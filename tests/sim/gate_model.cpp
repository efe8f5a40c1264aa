// SPDX-License-Identifier: BSD-3-Clause
#include "gate_model.hpp"

#include <algorithm>
#include <utility>

namespace sim {

void GateModel::begins(Waiter &waiter, bool resuming, bool noflush) {
    waiter.pending = true;
    waiter.resuming = resuming;
    waiter.noflush = noflush;
    waiter.result.reset();
    operations_.push_back(&waiter);
    if (operations_.size() == 1)
        go_on(true);
}

void GateModel::go_on(bool seen) {
    goes_on_ = false;
    while (!operations_.empty()) {
        const Waiter &front = *operations_.front();
        const bool must_be_suspended = !front.resuming || inactive;
        if (must_be_suspended && state == State::open) {
            state = State::suspending;
            noflush_ = front.noflush;
            if (!noflush_)
                paths_.suspend_queueing();
            closed_unseen_ = !seen;
            owner_.gate_closes(seen);
        }
        if (state == State::suspending || (front.resuming && state == State::suspended))
            return; // the map will tell
        if (front.resuming)
            paths_.watch_for_no_path();
        end_front();
        seen = false;
    }
}

void GateModel::end_front() {
    operations_.front()->result = 0;
    operations_.pop_front();
}

void GateModel::suspended() {
    if (goes_on_)
        go_on(false);
    if (state != State::suspending)
        verdict_.fail("suspended, and nobody had asked for it");
    state = State::suspended;
    closed_unseen_ = false;
    if (!operations_.empty() && !operations_.front()->resuming) {
        end_front();
        goes_on_ = true;
    }
}

void GateModel::swapped() {
    if (operations_.empty() || !operations_.front()->resuming || !inactive || state != State::suspended)
        verdict_.fail("the tables were exchanged at the wrong time");
    inactive.reset();
}

void GateModel::resumed() {
    if (goes_on_)
        go_on(false);
    if (operations_.empty() || !operations_.front()->resuming || state != State::suspended || inactive) {
        verdict_.fail("resumed at the wrong time");
        return;
    }
    state = State::open;
    paths_.resume_queueing();
    paths_.watch_for_no_path();
    owner_.gate_opens();
    end_front();
    goes_on_ = true;
}

void GateModel::withdrawn(Waiter &waiter) {
    waiter.pending = false;
    waiter.result.reset();
    std::erase(probes_, &waiter);
    const auto found = std::ranges::find(operations_, &waiter);
    if (found == operations_.end())
        return;
    const bool runs = found == operations_.begin();
    operations_.erase(found);
    if (!runs)
        return;
    if (state == State::suspending) {
        state = State::open;
        paths_.resume_queueing();
        paths_.watch_for_no_path();
        owner_.gate_opens();
    }
    goes_on_ = true;
}

void GateModel::probe_begins(Waiter &waiter) {
    waiter.pending = true;
    waiter.result.reset();
    probes_.push_back(&waiter);
}

void GateModel::probe_over(int result) {
    for (Waiter *waiter : std::exchange(probes_, {}))
        waiter->result = result;
}

void GateModel::ended(Waiter &waiter, int result) {
    if (goes_on_ && !waiter.result)
        go_on(false);
    if (!waiter.pending)
        verdict_.fail("a ticket ended that nobody waits for");
    else if (!waiter.result)
        verdict_.fail("a ticket ended too early");
    else if (*waiter.result != result)
        verdict_.fail("a ticket ended with {} instead of {}", result, *waiter.result);
    waiter.pending = false;
    waiter.result.reset();
}

void GateModel::shut_down() {
    for (Waiter *waiter : std::exchange(operations_, {}))
        waiter->result = ESHUTDOWN;
    probe_over(ESHUTDOWN);
    state = State::open;
    goes_on_ = closed_unseen_ = false;
}

void GateModel::settle() {
    if (goes_on_)
        go_on(false);
    closed_unseen_ = false;
}

} // namespace sim
