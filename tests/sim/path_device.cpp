// SPDX-License-Identifier: BSD-3-Clause
#include "path_device.hpp"

#include <algorithm>
#include <cstring>

namespace sim {

struct PathDevice::Taken {
    Taken(PathDevice &device, block::Request &taken, const Answer &given)
        : owner(device)
        , request(taken)
        , answer(given)
        , change(taken.changes_data() ? device.disk_.change_of(taken, device.observer_.io_of(taken))
                                      : Change{})
        , flush_mark(device.disk_.begin_flush())
        , timer(device.scheduler_, base::Delegate<>::to<&Taken::ripe>(*this)) {}
    void ripe() noexcept { owner.finish(*this); }

    PathDevice &owner;
    block::Request &request;
    Answer answer;
    Change change;
    unsigned flush_mark;
    bool carried_out = false;
    bool finished = false; ///< its answer is on the way
    base::Timer timer;
};

/// A change of data that nobody waits for any more, and that lands all the same.
struct PathDevice::Ghost {
    Ghost(PathDevice &device, const Change &late)
        : owner(device)
        , change(late)
        , timer(device.scheduler_, base::Delegate<>::to<&Ghost::land>(*this)) {}
    void land() noexcept { owner.disk_.change(owner.number, change); }

    PathDevice &owner;
    const Change change;
    base::Timer timer;
};

PathDevice::PathDevice(unsigned device_number, base::Scheduler &scheduler, Disk &disk,
                       DeviceObserver &observer, base::Duration ghosts_within)
    : number(device_number)
    , scheduler_(scheduler)
    , disk_(disk)
    , observer_(observer)
    , ghosts_within_(ghosts_within)
    , random_(device_number)
    , deliver_(base::Delegate<>::to<&PathDevice::deliver>(*this)) {
    geometry_.size = blocks * block_size;
    geometry_.minimum_block = block_size;
}

PathDevice::~PathDevice() = default;

void PathDevice::submit(block::Request &request) noexcept {
    observer_.sent(*this, request);
    Answer answer;
    if (!alive_) {
        answer.status = block::Status::path_lost();
    } else if (!answers_.empty()) {
        answer = answers_.front();
        answers_.pop_front();
    }
    Taken &taken = *taken_.emplace_back(std::make_unique<Taken>(*this, request, answer));
    if (answer.carried_out)
        carry_out(taken);
    if (alive_ && answer.delay > base::Duration::zero())
        taken.timer.start_in(answer.delay);
    else if (!alive_ || !hanging_)
        finish(taken);
}

void PathDevice::carry_out(Taken &taken) noexcept {
    taken.carried_out = true;
    Io *io = observer_.io_of(taken.request);
    if (taken.request.changes_data())
        disk_.change(number, taken.change);
    else if (taken.request.operation == block::Operation::read && io == nullptr)
        std::memset(taken.request.data, 0, taken.request.length);
    else if (taken.request.operation == block::Operation::read)
        disk_.read(number, *io);
}

/// It is not known whether that is done, and when: never, now, or later.
void PathDevice::haunt(Taken &taken) {
    if (taken.carried_out || !taken.request.changes_data())
        return;
    const unsigned fate = random_.below(4);
    if (fate == 1) {
        carry_out(taken);
    } else if (fate > 1 && ghosts_within_ > base::Duration::zero()) {
        using namespace std::chrono_literals;
        const auto last = static_cast<unsigned>(ghosts_within_ / 1ms) - 1;
        ghosts_.emplace_back(*this, taken.change)
            .timer.start_in(1ms * (fate == 2 ? last : 1 + random_.below(last)));
    }
}

void PathDevice::finish(Taken &taken) noexcept {
    taken.timer.cancel();
    taken.finished = true;
    const bool is_flush = taken.request.operation == block::Operation::flush;
    if (taken.answer.status.ok()) {
        if (!taken.carried_out)
            carry_out(taken);
        if (is_flush)
            disk_.end_flush(number, taken.flush_mark);
    } else if (is_flush && taken.answer.status.outcome == block::Outcome::path) {
        disk_.flush_failed(number);
    }
    if (taken.answer.status.outcome == block::Outcome::path_in_doubt)
        haunt(taken);
    scheduler_.post(deliver_);
}

void PathDevice::deliver() noexcept {
    const auto next = std::ranges::find_if(taken_, [](const auto &taken) { return taken->finished; });
    if (next == taken_.end())
        return;
    const std::unique_ptr<Taken> taken = std::move(*next);
    taken_.erase(next);
    scheduler_.post(deliver_); // one at a time, so that everything else may come between
    observer_.delivering(*this, taken->request, taken->answer.status);
    taken->request.complete(taken->answer.status);
    observer_.delivered();
}

void PathDevice::release() noexcept {
    hanging_ = false;
    answers_.clear();
    for (const auto &taken : taken_)
        if (!taken->finished)
            finish(*taken);
}

void PathDevice::end_server() noexcept {
    proven_dead_ = true;
    if (disk_.independent())
        ghosts_.clear();
    disk_.lose(number);
}

void PathDevice::restart() noexcept {
    const bool was_alive = alive_;
    die(End::not_done);
    alive_ = was_alive;
    proven_dead_ = false;
}

void PathDevice::die(End end) noexcept {
    if (alive_) {
        proven_dead_ = false;
        ++generation_;
    }
    alive_ = false;
    answers_.clear();
    for (const auto &taken : taken_) {
        if (taken->finished)
            continue;
        if (end == End::done && !taken->carried_out)
            carry_out(*taken);
        taken->answer.status = end == End::in_doubt ? block::Status(block::Outcome::path_in_doubt, ENOTCONN)
                                                    : block::Status::path_lost();
        finish(*taken);
    }
    if (end != End::in_doubt)
        end_server();
}

} // namespace sim
