// SPDX-License-Identifier: BSD-3-Clause
#include "handler/port_group.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <utility>

namespace handler {

namespace {

using namespace std::chrono_literals;
using block::ScsiReply;
using block::ScsiResult;

constexpr auto start_delay = 5ms; // the other paths of the table's group come in this time
constexpr auto retry_delay = 2s;
constexpr unsigned most_attentions = 5; // that are asked again at once
constexpr std::uint32_t first_length = 128;
constexpr std::uint32_t greatest_length = 64 << 10;
constexpr unsigned changed_by_client = 2; // of ScsiFacts::port_groups
constexpr unsigned changed_by_array = 1;
constexpr std::uint8_t illegal_request = 5;
constexpr std::uint8_t unit_attention = 6;

bool was_lost(const ScsiResult &result) noexcept {
    return result.status == ScsiReply::not_sent || result.status == ScsiReply::lost;
}
bool is_transition(const ScsiResult &result) noexcept {
    return block::classify_scsi(result, block::Operation::read).transitioning;
}
bool is_busy(const ScsiResult &result) noexcept { return result.status == 0x08 || result.status == 0x28; }

std::string text_of(const ScsiResult &result) {
    if (result.has_sense)
        return fmt::format("sense {:x}/{:02x}/{:02x}", result.key, result.asc, result.ascq);
    return result.status < 0 ? "no answer" : fmt::format("status {:02x}h", result.status);
}

} // namespace

PortGroup::PortGroup(base::Scheduler &scheduler, Owner &owner, Name name, bool keeps_unpreferred)
    : scheduler_(scheduler)
    , owner_(owner)
    , name_(std::move(name))
    , keeps_unpreferred_(keeps_unpreferred)
    , facts_{.id = name_.id}
    , transition_timeout_(PortGroupReport{}.transition_timeout)
    , length_(first_length)
    , timer_(scheduler, base::Delegate<>::to<&PortGroup::go_on>(*this)) {}

PortGroup::~PortGroup() { assert(observers_.empty()); }

void PortGroup::remove(const block::ScsiPort &port) noexcept { std::erase(ports_, &port); }

void PortGroup::activate(ActivationObserver &observer) {
    observers_.push_back(&observer);
    report_wanted_ = change_wanted_ = true;
    start();
}

void PortGroup::recheck() {
    report_wanted_ = true;
    start();
}

void PortGroup::transition_sensed() {
    set_state(AccessState::transitioning);
    recheck();
}

void PortGroup::take(const PortGroupFacts &facts) noexcept {
    if (running_)
        return;
    facts_.preferred = facts.preferred;
    facts_.supported = facts.supported;
    set_state(facts.state);
}

void PortGroup::stop() {
    stopped_ = true;
    if (timer_.active())
        timer_.start_in({});
}

void PortGroup::start() {
    if (std::exchange(running_, true))
        return;
    attentions_ = 0;
    losses_ = 0;
    timer_.start_in(stopped_ ? base::Duration::zero() : start_delay);
}

void PortGroup::go_on() {
    const auto up = std::ranges::find_if(ports_, [](const auto *port) { return port->facts() != nullptr; });
    if (stopped_ || up == ports_.end()) {
        fail(Result::resource_unavailable);
        return;
    }
    port_ = *up;
    if (report_wanted_) {
        if (!expiry_)
            expiry_ = scheduler_.now() + transition_timeout_;
        if (state() == AccessState::transitioning)
            send(test_unit_ready(), &PortGroup::unit_tested);
        else
            ask_report();
    } else if (change_wanted_) {
        become_optimized();
    } else {
        finish(Result::ok);
    }
}

void PortGroup::send(block::ScsiOrder order, Answered answered) {
    port_->execute(std::move(order), [this, life = std::weak_ptr(life_), answered](const ScsiReply &reply) {
        if (!life.expired())
            (this->*answered)(reply);
    });
}

void PortGroup::unit_tested(const ScsiReply &reply) {
    if (was_lost(reply.result))
        try_elsewhere();
    else if (is_transition(reply.result) && !expired())
        wait();
    else
        ask_report();
}

void PortGroup::ask_report() {
    report_wanted_ = false; // what is heard from now on may be news
    send(report_port_groups(length_, extended_), &PortGroup::report_came);
}

void PortGroup::report_came(const ScsiReply &reply) {
    if (reply.result.status == 0) {
        take_report(reply);
        return;
    }
    if (was_lost(reply.result)) {
        report_wanted_ = true;
        try_elsewhere();
    } else if (facts_.supported == supports_optimized) {
        set_state(AccessState::optimized);
        conclude();
    } else {
        report_failed(reply.result);
    }
}

void PortGroup::report_failed(const ScsiResult &result) {
    if (is_transition(result)) {
        set_state(AccessState::transitioning);
        conclude();
    } else if (result.has_sense && result.key == illegal_request && extended_) {
        extended_ = false;
        ask_report();
    } else if (result.has_sense && result.key == unit_attention && attentions_++ < most_attentions) {
        ask_report();
    } else if ((is_busy(result) || (result.has_sense && result.key == unit_attention)) && !expired()) {
        report_wanted_ = true;
        wait();
    } else {
        owner_.complain(*this, "does not tell its state: " + text_of(result));
        fail(Result::io_error);
    }
}

void PortGroup::take_report(const ScsiReply &reply) {
    const PortGroupReport report = parse_port_groups(block::ScsiBytes(reply.data));
    if (report.full_size > length_ && length_ < greatest_length) {
        length_ = static_cast<std::uint32_t>(std::min<std::size_t>(report.full_size, greatest_length));
        ask_report();
        return;
    }
    if (std::exchange(transition_timeout_, report.transition_timeout) != report.transition_timeout)
        expiry_ = scheduler_.now() + transition_timeout_;
    for (block::ScsiPort *port : ports_)
        port->set_transition_timeout(transition_timeout_);
    owner_.reported(*this, report);
    const auto own = std::ranges::find(report.groups, name_.id, &PortGroupFacts::id);
    if (own != report.groups.end()) {
        facts_.preferred = own->preferred;
        facts_.supported = own->supported;
        set_state(own->state);
    }
    conclude();
}

/// What follows from the state.
void PortGroup::conclude() {
    if (state() == AccessState::transitioning && !expired()) {
        report_wanted_ = true;
        wait();
    } else if (state() == AccessState::transitioning) {
        owner_.complain(*this,
                        fmt::format("is still changing its state after {} s", transition_timeout_.count()));
        set_state(AccessState::standby);
        fail(Result::io_error);
    } else if (state() == AccessState::offline) {
        fail(Result::offlined);
    } else {
        expiry_.reset();
        go_on();
    }
}

void PortGroup::become_optimized() {
    change_wanted_ = false;
    const unsigned mode = port_->facts()->port_groups;
    const bool keeps = keeps_unpreferred_ && !preferred() && (mode & changed_by_array) != 0;
    switch (state()) {
    case AccessState::standby:
    case AccessState::unavailable:
    case AccessState::transitioning:
        break;
    case AccessState::non_optimized:
        if (!keeps)
            break;
        [[fallthrough]];
    case AccessState::optimized:
        finish(Result::ok);
        return;
    case AccessState::offline:
        fail(Result::io_error);
        return;
    default:
        fail(Result::no_system);
        return;
    }
    if ((mode & changed_by_client) == 0)
        finish(Result::ok); // only the array itself changes it
    else
        send(set_port_group(name_.id), &PortGroup::change_ended);
}

void PortGroup::change_ended(const ScsiReply &reply) {
    const ScsiResult &result = reply.result;
    if (was_lost(result)) {
        report_wanted_ = change_wanted_ = true;
        try_elsewhere();
        return;
    }
    if (result.has_sense && result.key == unit_attention && !is_transition(result) &&
        attentions_++ < most_attentions) {
        change_wanted_ = true; // it was not begun
        go_on();
        return;
    }
    if (result.status != 0 && !std::exchange(told_refusal_, true))
        owner_.complain(*this, "cannot be made active/optimized: " + text_of(result));
    if (result.status == 0)
        told_refusal_ = false;
    if (result.status != 0 && !result.has_sense) {
        fail(Result::temporarily_busy);
        return;
    }
    report_wanted_ = true; // which tells what came of it
    go_on();
}

void PortGroup::set_state(AccessState state) noexcept {
    const bool changed = !known_ || state != facts_.state;
    known_ = true;
    facts_.state = state;
    if (changed)
        owner_.state_changed(*this);
}

void PortGroup::try_elsewhere() {
    if (losses_++ > ports_.size())
        fail(Result::resource_unavailable);
    else
        go_on();
}

void PortGroup::wait() { timer_.start_in(stopped_ ? base::Duration::zero() : retry_delay); }

void PortGroup::fail(Result result) {
    report_wanted_ = change_wanted_ = false;
    finish(result);
}

void PortGroup::finish(Result result) {
    running_ = false;
    expiry_.reset();
    for (ActivationObserver *observer : std::exchange(observers_, {}))
        observer->activated(result);
}

} // namespace handler
