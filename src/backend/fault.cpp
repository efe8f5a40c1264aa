// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fault.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace backend {

using Effect = FaultSpec::Effect;

FaultBackend::FaultBackend(base::Scheduler &scheduler, Make make)
    : scheduler_(scheduler)
    , make_(std::move(make))
    , real_(make_())
    , completions_(scheduler)
    , scsi_(scheduler)
    , is_scsi_(real_->scsi() != nullptr)
    , delays_(scheduler, base::Delegate<>::to<&FaultBackend::end_delays>(*this))
    , tell_of_drop_(base::Delegate<>::to<&FaultBackend::tell_of_drop>(*this))
    , settle_(base::Delegate<>::to<&FaultBackend::settle>(*this)) {
    scsi_.lead_to(real_->scsi());
}

FaultBackend::~FaultBackend() {
    assert(observer_ == nullptr && waiting_.empty() && completions_.empty() && "closed and drained first");
}

void FaultBackend::add_rule(FaultSpec spec) {
    if (rules_.size() >= most_rules)
        throw base::Error(ENOSPC, "{} rules are in force, which is the most; 'off' removes them", most_rules);
    rules_.emplace_back(std::move(spec));
    choose_way();
    const FaultSpec &added = rules_.back().spec();
    if (added.effect == Effect::drop && !added.filtered)
        drop();
}

void FaultBackend::remove_rules() noexcept {
    delays_.cancel();
    while (!waiting_.empty())
        real_->submit(take_back(waiting_.front()));
    rules_.clear();
    choose_way();
    if (std::exchange(dropped_, false) && state_ == State::gone)
        scheduler_.post(settle_);
}

std::vector<std::string> FaultBackend::rules() const {
    std::vector<std::string> lines;
    for (const FaultRule &rule : rules_) {
        std::size_t waiting = 0;
        waiting_.for_each([&](const Waiting &one) { waiting += &one.rule == &rule ? 1 : 0; });
        lines.push_back(fmt::format("{} used={} waiting={}", rule.spec().text, rule.used(), waiting));
    }
    return lines;
}

// Requests

void FaultBackend::judge(block::Request &request) noexcept {
    if (!up_)
        return completions_.add(request, block::Status::path_lost());
    const auto rule = std::ranges::find_if(rules_, [&](FaultRule &one) { return one.takes(request); });
    if (rule == rules_.end())
        return real_->submit(request);
    const FaultSpec &spec = rule->spec();
    if (spec.effect == Effect::drop) {
        drop();
        completions_.add(request, block::Status::path_lost());
    } else if (spec.effect == Effect::hang || spec.delay.count() != 0) {
        keep(request, *rule);
    } else {
        completions_.add(request, spec.error);
    }
}

void FaultBackend::keep(block::Request &request, const FaultRule &rule) noexcept {
    const bool ends = rule.spec().effect != Effect::hang;
    const base::TimePoint due = ends ? scheduler_.now() + rule.spec().delay : base::TimePoint::max();
    waiting_.push_back(waiting_pool_.make(request, rule, due));
    if (ends && (!delays_.active() || due < delays_.when()))
        delays_.start_at(due);
}

void FaultBackend::end_delays() noexcept {
    const base::TimePoint now = scheduler_.now();
    base::TimePoint next = base::TimePoint::max();
    waiting_.for_each([&](Waiting &waiting) {
        if (waiting.due > now) {
            next = std::min(next, waiting.due);
            return;
        }
        const FaultSpec &spec = waiting.rule.spec();
        block::Request &request = take_back(waiting);
        if (spec.effect == Effect::error)
            completions_.add(request, spec.error);
        else
            real_->submit(request);
    });
    if (next != base::TimePoint::max())
        delays_.start_at(next);
}

block::Request &FaultBackend::take_back(Waiting &waiting) noexcept {
    block::Request &request = waiting.request;
    waiting.unlink();
    waiting_pool_.end(waiting);
    return request;
}

void FaultBackend::fail_waiting() noexcept {
    delays_.cancel();
    while (!waiting_.empty())
        completions_.add(take_back(waiting_.front()), block::Status::path_lost());
}

std::size_t FaultBackend::in_flight() const noexcept {
    return waiting_pool_.in_use() + completions_.size() + (real_ ? real_->in_flight() : 0);
}

// The connection

void FaultBackend::open(Observer &observer) {
    observer_ = &observer;
    if (state_ == State::ready)
        real_->open(*this);
    else if (dropped_)
        scheduler_.post(tell_of_drop_);
}

void FaultBackend::close(base::Delegate<> closed) noexcept {
    observer_ = nullptr;
    closed_ = closed;
    closing_ = true;
    tell_of_drop_.withdraw();
    close_real();
    if (state_ == State::gone)
        scheduler_.post(settle_);
}

void FaultBackend::path_up(Backend &) noexcept {
    geometry_ = real_->geometry();
    up_ = true;
    told_down_ = false;
    observer_->path_up(*this);
}

void FaultBackend::path_down(Backend &, std::string_view why) noexcept {
    up_ = false;
    fail_waiting();
    tell_down(why);
}

void FaultBackend::path_fenced(Backend &) noexcept {
    // Of what a dropped one had given back nobody knows any more.
    if (losses_ == 0)
        observer_->path_fenced(*this);
}

void FaultBackend::tell_down(std::string_view why) noexcept {
    if (!std::exchange(told_down_, true))
        observer_->path_down(*this, why);
}

void FaultBackend::drop() noexcept {
    dropped_ = true;
    close_real();
    if (observer_ != nullptr)
        scheduler_.post(tell_of_drop_);
}

void FaultBackend::close_real() noexcept {
    if (state_ != State::ready)
        return;
    losses_ = generation() + 1;
    state_ = State::closing;
    up_ = false;
    choose_way();
    fail_waiting();
    scsi_.lead_to(nullptr);
    real_->close(base::Delegate<>::to<&FaultBackend::real_closed>(*this));
}

void FaultBackend::real_closed() noexcept {
    state_ = State::gone;
    scheduler_.post(settle_); // the real backend is still on the stack
}

void FaultBackend::settle() noexcept {
    real_.reset();
    if (closing_) {
        if (!completions_.empty() || !scsi_.empty())
            return scheduler_.post(settle_);
        const base::Delegate<> closed = closed_;
        closed(); // may destroy this object
    } else if (!dropped_) {
        real_ = make_();
        scsi_.lead_to(real_->scsi());
        state_ = State::ready;
        choose_way();
        if (observer_ != nullptr)
            real_->open(*this);
    }
}

} // namespace backend
