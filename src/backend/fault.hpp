// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "backend/fault_port.hpp"
#include "backend/fault_rule.hpp"
#include "base/object_pool.hpp"
#include "block/completion_queue.hpp"

#include <deque>
#include <functional>
#include <vector>

namespace backend {

/// A path with faults on demand: stands before the real backend, which it owns. Rules are asked in their
/// order, the first that takes a request decides about it; without rules a request costs one more call. A
/// request never comes to the real backend while it waits here, and never comes back through here: what the
/// real backend has, it completes itself.
///
/// A dropped connection is one that was really ended: the real backend is closed (so it completes what it
/// has, with a path error or, from a file, with its result), and another one is made when the rules are gone.
class FaultBackend final : public Backend, private Observer {
public:
    using Make = std::function<std::unique_ptr<Backend>()>;
    static constexpr std::size_t most_rules = 64; ///< each may be asked of each request

    FaultBackend(base::Scheduler &scheduler, Make make);
    ~FaultBackend() override;

    /// Puts a rule behind those in force. A `drop` that does not say which requests happens now, or when the
    /// path is opened. Throws base::Error(ENOSPC) when there are too many.
    void add_rule(FaultSpec spec);
    /// Removes every rule: what waits here goes on to the path, in its order; what was dropped connects
    /// again.
    void remove_rules() noexcept;
    /// A line for each rule: its words, `used=N` and how many requests it lets wait now, `waiting=N`.
    [[nodiscard]] std::vector<std::string> rules() const;

    void open(Observer &observer) override;
    void close(base::Delegate<> closed) noexcept override;
    void submit(block::Request &request) noexcept override {
        if (straight_) [[likely]]
            real_->submit(request);
        else
            judge(request);
    }
    [[nodiscard]] bool up() const noexcept override { return up_; }
    [[nodiscard]] std::size_t in_flight() const noexcept override;
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    [[nodiscard]] std::string_view identity() const noexcept override {
        return up_ ? real_->identity() : std::string_view();
    }
    [[nodiscard]] std::string_view fencing() const noexcept override {
        return state_ == State::ready ? real_->fencing() : std::string_view();
    }
    [[nodiscard]] std::uint64_t generation() const noexcept override {
        return state_ == State::ready ? losses_ + real_->generation() : losses_;
    }
    [[nodiscard]] bool proven_dead() const noexcept override {
        return state_ == State::ready && real_->proven_dead();
    }

    /// nullptr: it is no unit, or down.
    [[nodiscard]] const block::ScsiFacts *scsi_facts() const noexcept { return scsi_.facts(); }
    [[nodiscard]] block::ScsiPort *scsi() noexcept override { return is_scsi_ ? &scsi_ : nullptr; }

private:
    /// Of the real backend.
    enum class State : std::uint8_t { ready, closing, gone };

    /// A request that hangs, or is delayed.
    struct Waiting : base::ListHook {
        Waiting(block::Request &kept, const FaultRule &taken_by, base::TimePoint end) noexcept
            : request(kept)
            , rule(taken_by)
            , due(end) {}
        block::Request &request;
        const FaultRule &rule;
        base::TimePoint due;
    };

    void path_up(Backend &) noexcept override;
    void path_down(Backend &, std::string_view why) noexcept override;
    void path_fenced(Backend &) noexcept override;

    void judge(block::Request &request) noexcept;
    void keep(block::Request &request, const FaultRule &rule) noexcept;
    void end_delays() noexcept;
    block::Request &take_back(Waiting &waiting) noexcept;
    void fail_waiting() noexcept;

    void drop() noexcept;
    void tell_of_drop() noexcept { tell_down("dropped by fault injection"); }
    void tell_down(std::string_view why) noexcept;
    void close_real() noexcept;
    void real_closed() noexcept;
    void settle() noexcept;
    void choose_way() noexcept { straight_ = rules_.empty() && state_ == State::ready; }

    base::Scheduler &scheduler_;
    Make make_;
    std::unique_ptr<Backend> real_;
    State state_ = State::ready;
    bool straight_ = true; ///< nothing is to be asked of a request here
    bool dropped_ = false;
    bool closing_ = false;
    bool up_ = false;
    bool told_down_ = false;
    Observer *observer_ = nullptr; ///< nullptr before open() and after close()
    base::Delegate<> closed_;
    block::Geometry geometry_;
    std::uint64_t losses_ = 0; ///< up to the present real backend

    std::deque<FaultRule> rules_; ///< `Waiting` refers to them
    base::List<Waiting> waiting_; ///< in order of submission
    base::ObjectPool<Waiting> waiting_pool_;
    block::CompletionQueue completions_;
    FaultPort scsi_;
    const bool is_scsi_;
    base::Timer delays_;
    base::Task tell_of_drop_;
    base::Task settle_;
};

} // namespace backend
