// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/reservations.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/scsi_text.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace nbdmpathd {

namespace {

using block::ReservationKey;
using block::ReserveIn;
using block::ReserveOut;
using block::ReserveOutOrder;
using block::ScsiReply;
using block::ScsiResult;

} // namespace

struct Reservations::Job {
    command::PersistOrder order;
    Finish finish; ///< empty: nobody waits any more
};

/// Who waits for a job.
class Reservations::Asker final : public command::Activity {
public:
    explicit Asker(std::shared_ptr<Job> job)
        : job_(std::move(job)) {}
    ~Asker() override { job_->finish = nullptr; }

private:
    std::shared_ptr<Job> job_;
};

Reservations::Reservations(base::Scheduler &scheduler, multipath::Map &map, PathSet &paths,
                           health::PathKeeper &keeper, command::MapAccess &home)
    : scheduler_(scheduler)
    , map_(map)
    , paths_(paths)
    , keeper_(keeper)
    , home_(home)
    , sender_(map, paths, keeper)
    , next_(base::Delegate<>::to<&Reservations::begin_next>(*this)) {}

Reservations::~Reservations() = default;

// One after the other

std::unique_ptr<command::Activity> Reservations::begin(const command::PersistOrder &order, Finish finish) {
    auto job = std::make_shared<Job>(Job{order, std::move(finish)});
    jobs_.push_back(job);
    if (!talk_.running())
        scheduler_.post(next_);
    return std::make_unique<Asker>(std::move(job));
}

void Reservations::begin_next() noexcept {
    if (talk_.running())
        return;
    while (!jobs_.empty() && !jobs_.front()->finish)
        jobs_.pop_front(); // called off before it began
    if (jobs_.empty())
        return;
    std::shared_ptr<Job> job = std::move(jobs_.front());
    jobs_.pop_front();
    talk_ = carry_out(std::move(job));
    talk_.start();
}

block::ScsiTalk<int> Reservations::carry_out(std::shared_ptr<Job> job) {
    command::Outcome outcome;
    try {
        Talk<Lines> talk = job->order.changes ? change(job->order.out) : read(job->order);
        outcome.lines = co_await talk;
    } catch (const base::Error &error) {
        outcome = {error.code(), error.what(), {}};
    }
    if (job->finish)
        job->finish(std::move(outcome));
    scheduler_.post(next_);
    co_return 0;
}

block::ScsiTalk<Reservations::Lines> Reservations::read(command::PersistOrder order) {
    Talk<std::vector<std::byte>> question = sender_.ask(order.in, order.length);
    const std::vector<std::byte> answer = co_await question;
    Lines lines;
    if (order.hexadecimal)
        lines.push_back(block::hexadecimal(answer));
    else
        lines = block::reserve_in_lines(order.in, answer);
    co_return lines;
}

void Reservations::require_scsi_paths() const {
    if (map_.has_live_table())
        for (const std::string &name : map_.dependencies())
            if (paths_.scsi(name) == nullptr)
                throw base::Error(ENOTTY, "path {} of map {} is not SCSI: no key can be registered there",
                                  name, map_.name());
}

void Reservations::require_key(const ReserveOutOrder &order) const {
    const ReservationKey key = keeper_.registrar().key().key;
    if (key == 0)
        throw base::Error(EINVAL, "map {} has no reservation key: register one first", map_.name());
    if (order.key != key)
        throw base::Error(EINVAL, "the key of map {} is 0x{:x}, not 0x{:x}", map_.name(), key, order.key);
}

/// So that the registrar can tell later that somebody has removed the key.
block::ScsiTalk<int> Reservations::note_keys() {
    try {
        Talk<std::vector<std::byte>> question = sender_.ask(ReserveIn::keys);
        const std::vector<std::byte> answer = co_await question;
        keeper_.registrar().saw(block::read_registered_keys(answer));
    } catch (const base::Error &) {
        // No path is up any more: the next one that is finds out by itself.
    }
    co_return 0;
}

// Changing

block::ScsiTalk<Reservations::Lines> Reservations::change(ReserveOutOrder order) {
    switch (order.action) {
    case ReserveOut::register_key:
    case ReserveOut::register_ignore:
        require_scsi_paths();
        return register_paths(order);
    case ReserveOut::reserve:
        require_key(order);
        return reserve(order);
    case ReserveOut::release:
        require_key(order);
        return release(order);
    case ReserveOut::clear:
        require_key(order);
        return clear(order);
    case ReserveOut::preempt:
    case ReserveOut::preempt_abort:
        require_key(order);
        return preempt(order);
    }
    return {};
}

/// Who leaves takes the reservation along; the path that holds it may be down.
block::ScsiTalk<int> Reservations::release_before_leaving(ReserveOutOrder order, health::Registrar::Key old) {
    if (order.action == ReserveOut::register_key && order.key != old.key)
        throw base::Error(EBADE, "the key of map {} is 0x{:x}, not 0x{:x}", map_.name(), old.key, order.key);
    Talk<block::Reservation> question = sender_.held();
    const block::Reservation reservation = co_await question;
    if (reservation.held && reservation.key == old.key && !block::all_registrants_hold(reservation.type)) {
        Talk<Lines> before =
            release({.action = ReserveOut::release, .key = old.key, .type = reservation.type});
        (void)co_await before;
    }
    co_return 0;
}

Reservations::Registration Reservations::look_at(const Names &names,
                                                 const ReservationSender::Replies &replies) const {
    Registration seen;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const ScsiResult &result = replies[i].result;
        if (is_good(result)) {
            seen.changed.push_back(names[i]);
            continue;
        }
        if (is_gone(result) || (is_not_ready(result) && !sender_.carries(names[i])))
            seen.later.push_back(names[i]);
        else if (!seen.error)
            seen.error = refusal(names[i], result);
        seen.lines.push_back(fmt::format("path={} result=\"{}\"", names[i], block::scsi_end_text(result)));
    }
    return seen;
}

/// Every path gets the new key, or each one that has got it gets the old one back.
block::ScsiTalk<Reservations::Lines> Reservations::register_paths(ReserveOutOrder order) {
    const Names names = sender_.usable_paths();
    const health::Registrar::Key old = keeper_.registrar().key();
    if (order.service_key == 0 && old.key != 0) {
        Talk<int> leaving = release_before_leaving(order, old);
        (void)co_await leaving;
    }
    // Before it is sent: who connects from now on registers with this one, too.
    keeper_.registrar().set({order.service_key, order.keep_through_power_loss});
    Talk<ReservationSender::Replies> registering = sender_.send_to_all(names, order);
    ReservationSender::Replies replies = co_await registering;
    const auto any = [&replies](bool (*is)(const ScsiResult &)) {
        return std::ranges::any_of(replies, [is](const ScsiReply &reply) { return is(reply.result); });
    };
    // Some paths had another key, as those do that have just come back.
    if (any(is_good) && any(is_conflict) && order.action == ReserveOut::register_key) {
        order.action = ReserveOut::register_ignore;
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (!is_conflict(replies[i].result))
                continue;
            Talk<ScsiReply> once_more = sender_.send(names[i], order);
            replies[i] = co_await once_more;
        }
    }
    const Registration done = look_at(names, replies);
    if (done.error || done.changed.empty()) {
        Talk<int> undoing = undo_registration(done.changed, old);
        (void)co_await undoing;
        throw done.error ? base::Error(*done.error)
                         : base::Error(EIO, "no path of map {} could be registered now", map_.name());
    }
    for (const std::string &name : done.later)
        if (const backend::Backend *path = paths_.find_backend(name))
            keeper_.register_again(*path);
    for (const std::string &name : done.changed)
        if (const backend::Backend *path = paths_.find_backend(name))
            keeper_.take_as_registered(*path);
    Talk<int> noting = note_keys();
    (void)co_await noting;
    if (old.key != 0 && order.service_key != 0 && order.service_key != old.key) {
        Talk<int> taking = take_over_from_missing_path(old.key);
        (void)co_await taking;
    }
    base::log::info("{}: {}", map_.name(),
                    order.service_key == 0
                        ? std::string("no reservation key any more")
                        : fmt::format("reservation key 0x{:x} is registered", order.service_key));
    co_return done.lines;
}

block::ScsiTalk<int> Reservations::undo_registration(Names changed, health::Registrar::Key key) {
    keeper_.registrar().set(key);
    Talk<ReservationSender::Replies> undoing =
        sender_.send_to_all(changed, {.action = ReserveOut::register_ignore,
                                      .service_key = key.key,
                                      .keep_through_power_loss = key.keep_through_power_loss});
    const ReservationSender::Replies replies = co_await undoing;
    for (std::size_t i = 0; i < changed.size(); ++i)
        if (!is_good(replies[i].result))
            base::log::warning("{}: path {} could not be given its reservation key back: {}", map_.name(),
                               changed[i], block::scsi_end_text(replies[i].result));
    const Names names = map_.dependencies();
    for (const std::string &name : names) {
        const backend::Backend *path = paths_.find_backend(name);
        if (path == nullptr)
            continue;
        const auto at = std::ranges::find(changed, name);
        if (at == changed.end() || is_good(replies[static_cast<std::size_t>(at - changed.begin())].result))
            keeper_.take_as_registered(*path);
        else
            keeper_.register_again(*path);
    }
    Talk<int> noting = note_keys();
    (void)co_await noting;
    co_return 0;
}

/// A path that is down holds the reservation with the key that was just replaced, and could never give it up.
block::ScsiTalk<int> Reservations::take_over_from_missing_path(ReservationKey old_key) {
    Talk<block::Reservation> question = sender_.held();
    const block::Reservation reservation = co_await question;
    if (reservation.held && reservation.key == old_key) {
        Talk<std::string> preempting = sender_.send_to_one({.action = ReserveOut::preempt,
                                                            .key = keeper_.registrar().key().key,
                                                            .service_key = old_key,
                                                            .type = reservation.type});
        (void)co_await preempting;
    }
    co_return 0;
}

block::ScsiTalk<Reservations::Lines> Reservations::reserve(ReserveOutOrder order) {
    std::optional<base::Error> error;
    try {
        Talk<std::string> reserving = sender_.send_to_one(order);
        (void)co_await reserving;
    } catch (const base::Error &refused) {
        error = refused;
    }
    if (!error)
        co_return Lines{};
    if (error->code() == EBADE) {
        // A path of ours that is down may hold it: it is the map's all the same.
        Talk<block::Reservation> question = sender_.held();
        const block::Reservation reservation = co_await question;
        if (reservation.held && reservation.key == order.key && reservation.type == order.type)
            co_return Lines{};
        if (reservation.held)
            throw base::Error(EBADE, "reserved with key 0x{:x}, type {}", reservation.key,
                              block::reservation_type_name(reservation.type));
    }
    throw base::Error(*error);
}

block::ScsiTalk<Reservations::Lines> Reservations::release(ReserveOutOrder order) {
    const Names names = sender_.usable_paths();
    // Only the path that holds it releases it; to the others it is no error.
    Talk<ReservationSender::Replies> releasing = sender_.send_to_all(names, order);
    const ReservationSender::Replies replies = co_await releasing;
    std::optional<base::Error> error;
    bool any_good = false;
    for (std::size_t i = 0; i < names.size(); ++i) {
        any_good = any_good || is_good(replies[i].result);
        if (!is_good(replies[i].result) && !error)
            error = refusal(names[i], replies[i].result);
    }
    if (!any_good)
        throw base::Error(*error);
    Talk<block::Reservation> question = sender_.held();
    const block::Reservation reservation = co_await question;
    if (!reservation.held || reservation.key != order.key || block::all_registrants_hold(reservation.type))
        co_return Lines{};
    if (reservation.type != order.type)
        throw base::Error(EINVAL, "the reservation is of type {}: {}", reservation.type,
                          block::reservation_type_name(reservation.type));
    // The path that holds it is down: a path that is up takes it over first.
    Talk<int> moving = preempt_ourselves(
        {.action = ReserveOut::preempt, .key = order.key, .service_key = order.key, .type = order.type},
        true);
    (void)co_await moving;
    co_return Lines{};
}

block::ScsiTalk<Reservations::Lines> Reservations::clear(ReserveOutOrder order) {
    Talk<std::string> clearing = sender_.send_to_one(order);
    (void)co_await clearing;
    keeper_.registrar().set({});
    base::log::info("{}: every registration is cleared, no reservation key any more", map_.name());
    co_return Lines{};
}

} // namespace nbdmpathd
