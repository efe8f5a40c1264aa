// SPDX-License-Identifier: BSD-3-Clause
#include "health/registration.hpp"

#include "block/scsi_text.hpp"

#include <algorithm>

namespace health {

namespace {
using namespace std::chrono_literals;
constexpr auto patience = 5s;
} // namespace

bool Registrar::was_removed(const block::RegisteredKeys &registered) const noexcept {
    // A target that has started again counts from 0, and has forgotten everybody.
    return seen_generation_ && registered.generation >= *seen_generation_ &&
           std::ranges::find(registered.keys, key_.key) == registered.keys.end();
}

void Registrar::saw(const block::RegisteredKeys &registered) noexcept {
    if (std::ranges::find(registered.keys, key_.key) != registered.keys.end())
        seen_generation_ = registered.generation;
}

Registration::Registration(base::Scheduler &scheduler, Registrar &registrar, backend::Backend &backend,
                           base::Delegate<> ended)
    : registrar_(registrar)
    , backend_(backend)
    , scheduler_(scheduler)
    , ended_(ended)
    , over_(base::Delegate<>::to<&Registration::over>(*this)) {}

void Registration::start() {
    again_ = running();
    if (again_)
        return;
    problem_.clear();
    removed_ = false;
    talk_ = run();
    talk_.start();
}

void Registration::forget() noexcept {
    done_with_.reset();
    again_ = running();
}

void Registration::over() noexcept {
    if (running())
        return;                                  // this is the end of the run before
    if (again_ || (problem_.empty() && !done())) // the key has changed meanwhile
        start();
    else
        ended_();
}

bool Registration::is_well(const block::ScsiReply &reply) {
    if (block::classify_scsi(reply.result, block::Operation::read).status.ok())
        return true;
    problem_ = block::scsi_end_text(reply.result);
    return false;
}

block::ScsiTalk<std::optional<block::RegisteredKeys>> Registration::read_keys() {
    block::ScsiOrder order = block::reserve_in_order(block::ReserveIn::keys);
    order.patience = patience;
    const std::function<block::ScsiPort *()> port = [this] { return backend_.scsi(); };
    block::ScsiTalk<block::ScsiReply> question = block::ask_unit(port, std::move(order));
    const block::ScsiReply reply = co_await question;
    std::optional<block::RegisteredKeys> registered;
    if (is_well(reply))
        registered = block::read_registered_keys(reply.data);
    co_return registered;
}

block::ScsiTalk<int> Registration::run() {
    const Registrar::Key key = registrar_.key();
    if (backend_.scsi() == nullptr)
        problem_ = "it is not SCSI";
    std::optional<block::RegisteredKeys> before;
    if (problem_.empty()) {
        block::ScsiTalk<std::optional<block::RegisteredKeys>> question = read_keys();
        before = co_await question;
    }
    removed_ = before && key == registrar_.key() && registrar_.was_removed(*before);
    if (before && !removed_) {
        block::ScsiOrder order =
            block::reserve_out_order({.action = block::ReserveOut::register_ignore,
                                      .service_key = key.key,
                                      .keep_through_power_loss = key.keep_through_power_loss});
        order.patience = patience;
        const std::function<block::ScsiPort *()> port = [this] { return backend_.scsi(); };
        block::ScsiTalk<block::ScsiReply> command = block::ask_unit(port, std::move(order));
        const block::ScsiReply reply = co_await command;
        if (is_well(reply)) {
            block::ScsiTalk<std::optional<block::RegisteredKeys>> question = read_keys();
            const std::optional<block::RegisteredKeys> after = co_await question;
            if (after && key == registrar_.key())
                registrar_.saw(*after);
        }
    }
    if (problem_.empty())
        done_with_ = key;
    scheduler_.post(over_); // not now: it may begin another run in the place of this one
    co_return 0;
}

} // namespace health
