// SPDX-License-Identifier: BSD-3-Clause
// Tables, suspend and resume (semantics reference 2.14, R18 to R20, R27, R28).
#include "multipath/map.hpp"

#include "base/error.hpp"

#include <cassert>
#include <utility>

namespace multipath {

std::string Map::load(std::string_view text, const std::optional<block::Geometry> &geometry) {
    auto table = Table::parse(text, devices_, options_.rules);
    if (live_ && live_->compat().queue_mode_is_fixed && live_->bio_mode() != table->bio_mode())
        throw base::Error(EINVAL, "the live table of map {} is {} queue_mode bio, and so must be every other",
                          name_, live_->bio_mode() ? "of" : "not of");
    std::string warning = table->attach_handler(scheduler_, *this);
    inactive_ = std::move(table);
    inactive_geometry_ = geometry;
    return warning;
}

void Map::start() {
    assert(live_ == nullptr && inactive_ != nullptr);
    swap_tables();
    watch_for_no_path();
}

void Map::suspend(Ticket &ticket, bool noflush) { begin(ticket, Ticket::Kind::suspend, noflush); }

void Map::resume(Ticket &ticket, bool noflush) {
    if (live_ == nullptr && inactive_ == nullptr)
        throw base::Error(EINVAL, "map {} has no table to make live: load one first", name_);
    begin(ticket, Ticket::Kind::resume, noflush);
}

void Map::begin(Ticket &ticket, Ticket::Kind kind, bool noflush) {
    assert(!ticket.pending());
    ticket.kind_ = kind;
    ticket.noflush_ = noflush;
    operations_.push_back(ticket);
    if (&operations_.front() == &ticket)
        go_on();
}

void Map::end(Ticket &ticket, int result) noexcept {
    ticket.result_ = result;
    ended_.push_back(ticket);
    scheduler_.post(tell_ended_);
}

void Map::end_operation(int result) noexcept {
    end(operations_.pop_front(), result);
    go_on_soon();
}

void Map::tell_ended() noexcept {
    // The ticket may end, or be used again, in its own call.
    while (!ended_.empty()) {
        Ticket &ticket = ended_.pop_front();
        ticket.done_(ticket.result_);
    }
}

void Map::withdraw(Ticket &ticket) noexcept {
    if (!ticket.pending())
        return;
    const bool running = !operations_.empty() && &operations_.front() == &ticket;
    ticket.unlink();
    if (!running)
        return;
    if (gate_ == Gate::suspending)
        reopen();
    go_on_soon();
}

void Map::go_on() noexcept {
    if (shut_down_ && flushed_at_end_ && in_flight_ == 0 && unkept_size_ == 0 && settle_caches())
        std::exchange(flushed_at_end_, base::Delegate<>{})();
    if (operations_.empty() || shut_down_)
        return;
    const Ticket &ticket = operations_.front();
    const bool resuming = ticket.kind_ == Ticket::Kind::resume;
    const bool must_be_suspended = !resuming || (inactive_ != nullptr && live_ != nullptr);
    if (must_be_suspended && gate_ == Gate::open)
        close_gate(ticket.noflush_);
    if (gate_ == Gate::suspending) {
        if (!is_quiet())
            return; // whatever it waits for comes back here
        gate_ = Gate::suspended;
        tell("SUSPENDED", {}, false);
    }
    if (resuming) {
        if (inactive_ != nullptr) {
            if (activation_ && activation_->running())
                return; // of a path that a message brought back meanwhile
            swap_tables();
        }
        if (gate_ == Gate::suspended) {
            tell("RESUMED", {}, false);
            reopen();
        } else {
            watch_for_no_path();
        }
    }
    end_operation(0);
}

void Map::close_gate(bool noflush) noexcept {
    gate_ = Gate::suspending;
    noflush_ = noflush;
    if (live_ == nullptr || (noflush && !(live_->compat().bio_mode_stops_queueing && live_->bio_mode())))
        return;
    live_->suspend_queueing();
    no_path_timer_.cancel();
    if (queue_size_ != 0)
        kick();
}

bool Map::is_quiet() noexcept {
    if (noflush_)
        push_back_held();
    if (worker_.pending() || !finished_.empty()) {
        go_on_soon(); // behind what they are about to do
        return false;
    }
    if (in_flight_ != 0 || queue_size_ != 0 || barred_size_ != 0 || unkept_size_ != 0 ||
        prober_.in_flight() != 0)
        return false;
    if (!settle_caches())
        return false;
    // What the paths of this table hold in their caches must not stay behind with them.
    if (dirty_.any()) {
        dirty_.flush_all();
        return false;
    }
    return activation_ == nullptr || !activation_->running();
}

void Map::push_back_held() noexcept {
    delay_.cancel();
    gated_ += queue_size_;
    queue_size_ = 0;
    pushed_back_.take_all(held_);
    delayed_.for_each([](block::Request &request) { request.retries = 0; }); // may go to another table's path
    pushed_back_.take_all(delayed_);
    gated_ += std::exchange(barred_size_, 0);
    pushed_back_.take_all(barred_);
}

void Map::swap_tables() noexcept {
    assert(gate_ == Gate::suspended || live_ == nullptr);
    activation_.reset();
    const bool first = live_ == nullptr;
    live_ = std::move(inactive_);
    // Before the paths are looked at: they are right or wrong for this disk.
    geometry_ = inactive_geometry_.value_or(geometry_);
    live_->refresh(devices_);
    meet_devices();
    Activation::Owner &owner = *this; // private base: make_unique could not convert
    if (live_->handler() != nullptr)
        activation_ = std::make_unique<Activation>(scheduler_, *live_, owner);
    queueing_timed_out_ = false;
    if (!first)
        tell("TABLE_SWAPPED", {}, false);
}

void Map::reopen() noexcept {
    gate_ = Gate::open;
    if (live_ != nullptr)
        live_->resume_queueing();
    watch_for_no_path();
    base::List<block::Request> waiting;
    waiting.take_all(pushed_back_);
    waiting.take_all(deferred_);
    gated_ = 0;
    while (!waiting.empty())
        admit(waiting.pop_front());
}

void Map::rename(std::string name) {
    name_ = std::move(name);
    tell("RENAMED", fmt::format("name={}", name_));
}

} // namespace multipath
