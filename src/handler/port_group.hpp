// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "handler/alua_commands.hpp"
#include "handler/handler.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace handler {

/// A target port group: ports of an array with one access state, for one unit, and the paths that lead there.
/// Asks the array for the state and changes it, a command at a time; all who want that meanwhile share the
/// result (semantics reference 4.10).
class PortGroup {
public:
    class Owner {
    public:
        /// Here is what `by` was told, also of the unit's other groups.
        virtual void reported(const PortGroup &by, const PortGroupReport &report) noexcept = 0;
        virtual void state_changed(const PortGroup &group) noexcept = 0;
        /// "target port group 1 of … `what`".
        virtual void complain(const PortGroup &group, std::string_view what) noexcept = 0;

    protected:
        ~Owner() = default;
    };
    struct Name {
        std::string unit; ///< its wwid
        std::uint16_t id = 0;

        bool operator==(const Name &) const = default;
    };

    /// `keeps_unpreferred`: a non-optimized group that the array does not prefer stays as it is.
    PortGroup(base::Scheduler &scheduler, Owner &owner, Name name, bool keeps_unpreferred);
    /// Every activation has ended.
    ~PortGroup();

    void add(block::ScsiPort &port) { ports_.push_back(&port); }
    void remove(const block::ScsiPort &port) noexcept;

    void activate(ActivationObserver &observer);
    /// Something says that the state may be another one.
    void recheck();
    void transition_sensed();
    /// What another group was told of this one; not while this one asks itself.
    void take(const PortGroupFacts &facts) noexcept;
    /// Asks nothing any more; activations end soon.
    void stop();

    [[nodiscard]] const Name &name() const noexcept { return name_; }
    /// active/optimized until the array says otherwise.
    [[nodiscard]] AccessState state() const noexcept { return facts_.state; }
    [[nodiscard]] bool preferred() const noexcept { return facts_.preferred; }
    [[nodiscard]] bool known() const noexcept { return known_; }

private:
    using Answered = void (PortGroup::*)(const block::ScsiReply &reply);

    void start();
    void go_on();
    void send(block::ScsiOrder order, Answered answered);
    void unit_tested(const block::ScsiReply &reply);
    void ask_report();
    void report_came(const block::ScsiReply &reply);
    void report_failed(const block::ScsiResult &result);
    void take_report(const block::ScsiReply &reply);
    void conclude();
    void become_optimized();
    void change_ended(const block::ScsiReply &reply);
    void set_state(AccessState state) noexcept;
    void try_elsewhere();
    void wait();
    void fail(Result result);
    void finish(Result result);
    [[nodiscard]] bool expired() const noexcept { return expiry_ && scheduler_.now() >= *expiry_; }

    base::Scheduler &scheduler_;
    Owner &owner_;
    const Name name_;
    const bool keeps_unpreferred_;
    std::vector<block::ScsiPort *> ports_;
    std::vector<ActivationObserver *> observers_;
    PortGroupFacts facts_;
    bool known_ = false;
    std::chrono::seconds transition_timeout_;

    bool running_ = false;
    bool stopped_ = false;
    bool report_wanted_ = false;
    bool change_wanted_ = false;
    block::ScsiPort *port_ = nullptr;       ///< of the command under way
    std::optional<base::TimePoint> expiry_; ///< when a transition takes too long
    unsigned attentions_ = 0;
    std::size_t losses_ = 0;
    bool extended_ = true; ///< until the unit turns out not to know such a header
    std::uint32_t length_;
    bool told_refusal_ = false;
    base::Timer timer_;
    /// The end of a command may come after this object's; shared with nobody else.
    std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

} // namespace handler
