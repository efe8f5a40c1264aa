// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/ticket.hpp"
#include "paths_model.hpp"

#include <deque>
#include <memory>

namespace sim {

/// Suspends, resumes and probes, and whoever waits for them (semantics reference 2.14).
class GateModel {
public:
    enum class State { open, suspending, suspended };

    /// Somebody who waits for one thing at a time.
    struct Waiter {
        std::unique_ptr<multipath::Ticket> ticket;
        bool pending = false;
        bool resuming = false;
        bool noflush = false;
        std::optional<int> result{}; ///< it has ended, and will hear of it
    };
    /// What the gate does to requests.
    class Owner {
    public:
        /// A suspend began; `seen`: just now, not some time in this step.
        virtual void gate_closes(bool seen) noexcept = 0;
        virtual void gate_opens() noexcept = 0;

    protected:
        ~Owner() = default;
    };

    GateModel(Verdict &verdict, PathsModel &paths, Owner &owner)
        : verdict_(verdict)
        , paths_(paths)
        , owner_(owner) {}

    void begins(Waiter &waiter, bool resuming, bool noflush);
    void withdrawn(Waiter &waiter);
    void probe_begins(Waiter &waiter);
    void probe_over(int result);
    void ended(Waiter &waiter, int result);
    void shut_down();

    // The map tells.
    void suspended();
    void swapped();
    void resumed();

    /// Nothing is left to be done in this step.
    void settle();
    /// Between the end of one operation and the begin of the next nobody can tell which it is.
    [[nodiscard]] bool unsure() const noexcept {
        return (goes_on_ && !operations_.empty()) || closed_unseen_;
    }
    [[nodiscard]] bool noflush() const noexcept { return noflush_; }
    [[nodiscard]] bool suspending_noflush() const noexcept { return state == State::suspending && noflush_; }
    [[nodiscard]] bool idle() const noexcept { return operations_.empty() && probes_.empty(); }
    /// A resume waits to exchange the tables.
    [[nodiscard]] bool about_to_swap() const noexcept {
        return !operations_.empty() && operations_.front()->resuming && inactive.has_value();
    }

    State state = State::open;
    std::optional<TableSpec> inactive;

private:
    void go_on(bool seen);
    void end_front();

    Verdict &verdict_;
    PathsModel &paths_;
    Owner &owner_;
    std::deque<Waiter *> operations_;
    std::deque<Waiter *> probes_;
    bool noflush_ = false;
    bool goes_on_ = false;
    bool closed_unseen_ = false; ///< in this step; the map may not have come to it yet
};

} // namespace sim
