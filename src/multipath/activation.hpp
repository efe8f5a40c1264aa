// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "handler/handler.hpp"
#include "multipath/priority_group.hpp"

#include <memory>
#include <vector>

namespace multipath {

class Table;

/// Runs the rounds in which a table's hardware handler activates paths: all active paths of a group at once,
/// a path that came back alone (semantics reference 2.12, R7, R8, R11). What a result means is the owner's
/// business (2.13). On the map's worker; ends before its table, with nothing running.
class Activation {
public:
    class Owner {
    public:
        virtual void path_activated(Path &path, handler::Result result) noexcept = 0;
        /// Nothing runs any more.
        virtual void round_over() noexcept = 0;

    protected:
        ~Owner() = default;
    };

    Activation(base::Scheduler &scheduler, Table &table, Owner &owner);
    ~Activation();

    /// Not while one runs. Without an active path in the group nothing happens.
    void begin_round(const PriorityGroup &group, base::Duration delay);
    /// One path, whatever else runs; a path whose activation runs already is left alone.
    void activate(Path &path) noexcept;
    /// A round that still waits for its delay is given up, without a word.
    void stop_waiting() noexcept;
    [[nodiscard]] bool running() const noexcept { return running_ != 0; }

private:
    struct Attempt;
    [[nodiscard]] Attempt &attempt_at(const Path &path) noexcept;
    void start(Attempt &attempt) noexcept;
    void end_delay() noexcept;
    void ended(Attempt &attempt, handler::Result result) noexcept;

    Table &table_;
    Owner &owner_;
    std::vector<std::unique_ptr<Attempt>> attempts_; ///< one a path entry
    std::size_t running_ = 0;
    base::Timer delay_;
};

} // namespace multipath
