// SPDX-License-Identifier: BSD-3-Clause
// Preempting, others and ourselves: a path that holds the reservation and is down never gives it up
// otherwise.
#include "daemon/reservations.hpp"

#include "base/error.hpp"
#include "daemon/gate_wait.hpp"

#include <optional>

namespace nbdmpathd {

namespace {

using block::ReserveOut;
using block::ReserveOutOrder;
using block::ScsiReply;

} // namespace

block::ScsiTalk<Reservations::Lines> Reservations::preempt(ReserveOutOrder order) {
    bool hits_us = order.service_key == order.key;
    if (order.service_key == 0) {
        Talk<block::Reservation> question = sender_.held();
        const block::Reservation reservation = co_await question;
        hits_us = reservation.held && block::all_registrants_hold(reservation.type);
    }
    if (hits_us) {
        Talk<int> preempting = preempt_ourselves(order, false);
        (void)co_await preempting;
    } else {
        Talk<std::string> preempting = sender_.send_to_one(order);
        (void)co_await preempting;
    }
    co_return Lines{};
}

/// The path that does this stays registered alone. No request must come to the others until they are, too:
/// the unit would refuse it.
block::ScsiTalk<int> Reservations::preempt_ourselves(ReserveOutOrder order, bool release_then) {
    if (map_.has_inactive_table())
        throw base::Error(EBUSY,
                          "a table of map {} is staged, and this needs a suspend: resume or clear it first",
                          map_.name());
    const bool was_suspended = map_.suspended();
    if (!was_suspended) {
        GateWait gate(scheduler_);
        gate.suspend(home_);
        const int error = co_await gate;
        if (error != 0)
            throw base::Error(error, "map {} could not be suspended", map_.name());
    }
    std::optional<base::Error> error;
    try {
        Talk<int> doing = preempt_and_register(order, release_then);
        (void)co_await doing;
    } catch (const base::Error &what) {
        error = what;
    }
    if (!was_suspended) {
        GateWait gate(scheduler_);
        gate.resume(home_);
        const int failed = co_await gate;
        if (failed != 0 && !error)
            error = base::Error(failed, "map {} could not be resumed", map_.name());
    }
    if (error)
        throw base::Error(*error);
    co_return 0;
}

block::ScsiTalk<int> Reservations::preempt_and_register(ReserveOutOrder order, bool release_then) {
    Talk<std::string> preempting = sender_.send_to_one(order);
    const std::string holder = co_await preempting;
    std::optional<base::Error> error;
    if (release_then) {
        const ReserveOutOrder releasing{.action = ReserveOut::release, .key = order.key, .type = order.type};
        Talk<ScsiReply> command = sender_.send(holder, releasing);
        const ScsiReply reply = co_await command;
        if (!is_good(reply.result))
            error = refusal(holder, reply.result);
    }
    const Names names = sender_.up_paths();
    const health::Registrar::Key key = keeper_.registrar().key();
    Talk<ReservationSender::Replies> registering =
        sender_.send_to_all(names, {.action = ReserveOut::register_ignore,
                                    .service_key = key.key,
                                    .keep_through_power_loss = key.keep_through_power_loss});
    const ReservationSender::Replies replies = co_await registering;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const backend::Backend *path = paths_.find_backend(names[i]);
        if (path != nullptr && !is_good(replies[i].result))
            keeper_.register_again(*path);
    }
    if (error)
        throw base::Error(*error);
    co_return 0;
}

} // namespace nbdmpathd
