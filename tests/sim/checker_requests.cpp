// SPDX-License-Identifier: BSD-3-Clause
// Where requests go and how they end: semantics reference 2.1, 2.5, 2.6.
#include "checker.hpp"

#include <algorithm>

namespace sim {

using namespace std::chrono_literals;

namespace {
constexpr auto shortage_delay = 100ms;
constexpr unsigned tries_on_one_path = 5;
} // namespace

Io &Checker::make_io(Client &client) {
    Io &io = *ios_.emplace_back(std::make_unique<Io>());
    io.id = static_cast<unsigned>(ios_.size());
    io.client = &client;
    open_ios_.push_back(&io);
    return io;
}

Io *Checker::io_of(block::Request &request) noexcept {
    for (const auto &client : clients_)
        if (request.origin() == client.get())
            return static_cast<Io *>(&request);
    return nullptr;
}

void Checker::wait(Io &io, Io::Line line) {
    if (caches() && io.is_flush() && line == Io::Line::held)
        line = Io::Line::covered; // as in settle_lines()
    io.line = line;
    if (line == Io::Line::held || line == Io::Line::barred || line == Io::Line::pushed_back ||
        line == Io::Line::deferred)
        line_.push_back(&io);
}

void Checker::leave_line(Io &io) {
    std::erase(line_, &io);
    io.batch = 0;
    io.failed_late = io.came_late = io.lost_place = false;
}

void Checker::submitting(Io &io) {
    begin();
    io.submitted = stamp();
    disk_.began(io);
    held_before_ = map_->held();
}

void Checker::submitted(Io &io) {
    const bool waits = map_->held() != held_before_;
    const bool others_move = caches() && covered_count() != 0;
    if (io.where == Io::Where::with_map) {
        if (others_move && !closed())
            io.line = Io::Line::covered;
        else if (gate.unsure())
            io.line = waits ? Io::Line::unsure : Io::Line::covered;
        else if (!waits)
            io.line = Io::Line::covered; // ends soon, or with a round of flushes
        else
            wait(io, closed() ? Io::Line::deferred : locks_.bars(io) ? Io::Line::barred : Io::Line::held);
        if (!gate.unsure() && !closed() && !waits && !others_move && locks_.bars(io) && !io.makes_stable())
            verdict_.fail("request {} does not wait for its range", io.id);
        if (!gate.unsure() && closed() && waits == (io.asked == block::Operation::cache))
            verdict_.fail("request {} {} although the map is suspended", io.id, waits ? "waits" : "is lost");
    }
    // It looked for a path: R5.
    if (io.asked == block::Operation::read && !closed() && !gate.unsure() && paths.valid_paths() == 0 &&
        map_->live_table()->queue_io())
        verdict_.fail("without a path nothing is left to activate, and queue_io stays");
    end();
}

void Checker::sent(PathDevice &device, block::Request &request) noexcept {
    ++stamp_;
    const bool suspended = gate.state == GateModel::State::suspended;
    // The paths of a table that has just come, and of which nobody was told, are flushed at once.
    if (suspended && caches() && request.operation == block::Operation::flush)
        return own_sent(device, request);
    paths.catch_up();
    catch_up_refusals();
    catch_up_locks();
    if (suspended)
        verdict_.fail("{} got a request while the map is suspended", device_name(device.number));
    Io *io = io_of(request);
    verdict_.note("    {} -> {}", io == nullptr ? 0 : io->id, device_name(device.number));
    if (io != nullptr && paths.spec.handler && refusing[device.number])
        verdict_.fail("request {} was sent, and the handler was not asked or said no", io->id);
    if (io != nullptr)
        check_sent(*io, device);
    else if (request.operation == block::Operation::flush || request.changes_data())
        own_sent(device, request);
    else if (delivered_io_ != nullptr && delivered_io_->line == Io::Line::in_doubt)
        doubt_read_sent(device, request);
    else if (probed_group_)
        ++probe_reads_;
    else
        verdict_.fail("{} was probed, and nobody asked for it", device_name(device.number));
}

void Checker::check_sent(Io &io, const PathDevice &device) {
    if (!io.unchanged())
        verdict_.fail("request {} is not what the client sent", io.id);
    if (io.where != Io::Where::with_map)
        verdict_.fail("request {} was sent twice", io.id);
    if (!io.client->alive && !(caches() && io.is_flush())) // others may share it
        verdict_.fail("request {} of a dead client was sent", io.id);
    if (fate_ == Fate::same_path && delivered_io_ == &io) {
        if (io.device != device.number)
            verdict_.fail("request {} was to be tried again on {}", io.id, device_name(io.device));
        ++io.tries_there;
    } else if (fate_ == Fate::other_path && delivered_io_ == &io) {
        if (other_path_->device != device.number)
            verdict_.fail("request {} was to be tried on {}", io.id, device_name(other_path_->device));
        io.group = other_path_->group;
        io.tries_there = 0;
    } else if (!io.may_stay || io.device != device.number) {
        const PathsModel::Entry *entry = paths.current ? paths.find(*paths.current, device.number) : nullptr;
        if (entry == nullptr || !entry->active)
            verdict_.fail("request {} was sent to {}, no usable path of the current group", io.id,
                          device_name(device.number));
        if (paths.queue_io)
            verdict_.fail("request {} was sent to a group that is not activated", io.id);
        if (io.line == Io::Line::deferred && closed() && !gate.unsure())
            verdict_.fail("request {} did not wait for the resume", io.id);
        if (io.line == Io::Line::delayed && io.due > scheduler_.now())
            verdict_.fail("request {} did not wait after a shortage", io.id);
        if (locks_.bars(io))
            verdict_.fail("request {} was sent, and its range is locked", io.id);
        check_turn(io);
        io.group = paths.current.value_or(0);
        io.tries_there = 0;
    }
    if (caches())
        check_carrier(io, device);
    leave_line(io);
    io.sent = covers();
    io.may_stay = false;
    io.device = device.number;
    io.where = Io::Where::at_device;
    io.line = Io::Line::unsure;
}

// What waited leaves in the order in which it came; what a suspend had pushed back before what came later.
void Checker::check_turn(const Io &io) {
    // A suspend without flush pushes back what it finds, while others go on.
    if (std::ranges::find(line_, &io) == line_.end() || gate.suspending_noflush())
        return;
    if (setup_.options.verify_eio) // two paths are read meanwhile, and who waits for that loses its place
        return;
    for (const Io *other : line_) {
        if (other == &io)
            return;
        // It may have ended already, with the news of a loss.
        const bool knows_loss = other->makes_stable() && (caches() || flush_failed_ != 0);
        const bool any_order =
            (!io.came_late && (io.failed_late || other->failed_late)) || io.lost_place || other->lost_place;
        const bool ends = knows_loss || !other->client->alive || locks_.bars(*other);
        if (other->line == io.line && other->batch == io.batch && !ends && !any_order) {
            verdict_.fail("request {} was sent before {}, which waits longer", io.id, other->id);
            return;
        }
    }
}

void Checker::delivering(PathDevice &device, block::Request &request, block::Status status) noexcept {
    begin();
    Io *io = io_of(request);
    verdict_.note("    {} <- {}: {} {}", io == nullptr ? 0 : io->id, device_name(device.number),
                  static_cast<int>(status.outcome), status.error);
    delivered_io_ = io;
    if (io == nullptr) {
        delivering_own(device, request, status);
        return;
    }
    io->where = Io::Where::with_map;
    io->answer = status;
    io->answered = true;
    came_back(*io, status);
    fate_ = fate_of(*io, status);
}

void Checker::delivering_own(PathDevice &device, block::Request &request, block::Status status) {
    if (doubt_read_ends(device, request, status))
        return;
    if (request.operation == block::Operation::flush)
        return own_flush_ends(device, request, status);
    if (request.changes_data())
        return replay_ends(request, status);
    PathsModel::Entry *entry = paths.find(probed_group_.value_or(0), device.number);
    if (entry != nullptr && status.is_path_error())
        paths.fail(*entry);
    if (--probe_reads_ == 0) {
        probed_group_.reset();
        paths.hold_group(false);
        gate.probe_over(paths.valid_paths() != 0 ? 0 : ENOTCONN);
    }
}

/// A path has said so itself, and no other one may make it good (design D10).
bool Checker::is_failed_flush(const Io &io, block::Status status) const {
    return status.outcome == block::Outcome::path && io.makes_stable() && !paths.kernel();
}

Checker::Fate Checker::fate_of(Io &io, block::Status status) {
    if (caches())
        return fate_with_caches(io, status);
    if (is_failed_flush(io, status)) {
        if (PathsModel::Entry *entry = paths.find(io.group, io.device); entry != nullptr)
            paths.fail(*entry);
        flush_failed_ = ++stamp_;
        return Fate::done;
    }
    if (setup_.options.verify_eio)
        if (const auto fate = fate_in_doubt(io, status))
            return *fate;
    if (!status.is_path_error() || (io.asked == block::Operation::cache && status.error == EAGAIN))
        return Fate::done;
    const PathsModel::Entry *entry = paths.find(io.group, io.device);
    if (status.outcome == block::Outcome::retry && io.tries_there < tries_on_one_path && entry != nullptr &&
        entry->active)
        return shut_down_ || !io.client->alive ? Fate::done : Fate::same_path;
    return requeue(io, status);
}

Checker::Fate Checker::requeue(Io &io, block::Status status) {
    if (shut_down_)
        return Fate::done;
    const bool had_path = paths.valid_paths() != 0;
    if (PathsModel::Entry *entry = paths.find(io.group, io.device); had_path && entry != nullptr)
        paths.fail(*entry);
    const bool ends = !had_path || paths.kernel();
    const bool never_again =
        setup_.options.ambiguous_writes == multipath::AmbiguousWrites::fail && may_land(io, status);
    if (never_again || (ends && hopeless()) || !io.client->alive)
        return Fate::done;
    io.due = status.outcome == block::Outcome::path_delayed ? scheduler_.now() + shortage_delay
                                                            : base::TimePoint{};
    if (gate.state == GateModel::State::suspending && !gate.unsure() &&
        (paths.kernel() || (gate.noflush() && paths.valid_paths() == 0))) {
        wait(io, Io::Line::pushed_back);
        io.failed_late = true;
    } else if (gate.unsure()) {
        io.line = Io::Line::unsure;
    } else if (status.outcome == block::Outcome::path_delayed) {
        wait(io, Io::Line::delayed);
    } else {
        wait(io, Io::Line::held);
    }
    return Fate::stays;
}

void Checker::delivered() noexcept {
    if (Io *io = delivered_io_; io != nullptr) {
        const bool fulfilled = fate_ == Fate::done    ? io->where == Io::Where::done
                               : fate_ == Fate::stays ? io->where == Io::Where::with_map
                                                      : io->where == Io::Where::at_device;
        if (!fulfilled && fate_ != Fate::any && !gate.unsure())
            verdict_.fail("request {} did not {} after its path answered {}", io->id,
                          fate_ == Fate::done    ? "end"
                          : fate_ == Fate::stays ? "stay with the map"
                                                 : "go to the right path",
                          io->answer.error);
    }
    delivered_io_ = nullptr;
    fate_ = Fate::none;
    end();
}

void Checker::io_ended(Io &io, block::Status status) noexcept {
    ++stamp_;
    catch_up_refusals();
    verdict_.note("    {} ends: {}", io.id, status.error);
    if (io.where == Io::Where::done)
        verdict_.fail("request {} ended twice", io.id);
    if (io.where == Io::Where::at_device)
        verdict_.fail("request {} ended while a path has it", io.id);
    io.where = Io::Where::done;
    leave_line(io);
    std::erase(open_ios_, &io);
    disk_.ended(io, status.ok(), stamp_);
    check_result(io, status);
    if (!status.ok())
        return;
    if (io.asked == block::Operation::read)
        disk_.check_read(io);
    else if (io.makes_stable())
        disk_.check_flush(io);
}

void Checker::check_result(const Io &io, block::Status status) {
    const bool path_said_it = (io.answered && io.answer == status) ||
                              (caches() && io.is_flush() && !status.ok() && refused_flush_ == status);
    if (status.ok()) {
        if (!path_said_it && !(io.is_flush() && caches()))
            verdict_.fail("request {} succeeded, and no path has done it", io.id);
        if (io.makes_stable() && flush_failed_ > io.client->connected && io.submitted > flush_failed_)
            verdict_.fail("request {} succeeded after a flush had failed (D10)", io.id);
        if (io.makes_stable() && io.client->heard_of_loss != 0 && io.submitted > io.client->heard_of_loss)
            verdict_.fail("request {} succeeded after its client was told of a loss (D10)", io.id);
    } else if (status.error == ESHUTDOWN) {
        if (!shut_down_ && io.client->alive)
            verdict_.fail("request {} ended as if at shutdown", io.id);
    } else if (status.error == EIO && !path_said_it) {
        const bool no_path = hopeless() || last_hopeless_ >= io.submitted || gate.unsure();
        const bool lost = io.makes_stable() && (flush_failed_ > io.client->connected ||
                                                (caches() && disk_.lost_since(io.client->connected)));
        const bool never_again = setup_.options.ambiguous_writes == multipath::AmbiguousWrites::fail &&
                                 io.answered && may_land(io, io.answer);
        if (!no_path && !lost && !never_again &&
            !(io.asked == block::Operation::cache && io.line == Io::Line::covered))
            verdict_.fail("request {} failed without a reason", io.id);
        if (lost && !no_path && !never_again && io.client->heard_of_loss == 0)
            io.client->heard_of_loss = stamp_;
    } else if (!path_said_it) {
        verdict_.fail("request {} ended with {}, which no path said", io.id, status.error);
    }
}

} // namespace sim
