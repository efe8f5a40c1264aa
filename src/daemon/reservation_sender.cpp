// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/reservation_sender.hpp"

#include "block/scsi_text.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace nbdmpathd {

namespace {

using block::ReserveIn;
using block::ReserveOut;
using block::ReserveOutOrder;
using block::ScsiReply;
using block::ScsiResult;

using namespace std::chrono_literals;
constexpr auto patience = 10s;
constexpr auto abort_patience = 60s; // a target may wait for what it aborts
constexpr int conflict_status = 0x18;

block::ScsiOrder order_of(const ReserveOutOrder &what) {
    block::ScsiOrder order = block::reserve_out_order(what);
    order.patience = what.action == ReserveOut::preempt_abort ? abort_patience : patience;
    return order;
}

} // namespace

bool is_good(const ScsiResult &result) noexcept {
    return block::classify_scsi(result, block::Operation::read).status.ok();
}
bool is_conflict(const ScsiResult &result) noexcept { return result.status == conflict_status; }
bool is_gone(const ScsiResult &result) noexcept {
    return result.status == ScsiReply::not_sent || result.status == ScsiReply::lost;
}

bool is_not_ready(const ScsiResult &result) noexcept {
    constexpr std::uint8_t not_ready = 2;
    return result.has_sense && result.key == not_ready;
}

base::Error refusal(const std::string &path, const ScsiResult &result) {
    constexpr std::uint8_t illegal_request = 5;
    constexpr std::uint8_t invalid_parameter = 0x26;
    const int code = is_conflict(result)                                  ? EBADE
                     : result.status == ScsiReply::overdue                ? ETIMEDOUT
                     : !result.has_sense || result.key != illegal_request ? EIO
                     : result.asc == invalid_parameter                    ? EINVAL
                                                                          : EOPNOTSUPP;
    return base::Error(code, "path {}: {}", path, block::scsi_end_text(result));
}

ReservationSender::Names ReservationSender::up_paths() const {
    Names working;
    Names others;
    if (map_.has_live_table())
        for (const multipath::PathStatistics &entry : map_.statistics()) {
            const backend::Backend *path = paths_.find_backend(entry.path);
            block::ScsiPort *port = paths_.scsi(entry.path);
            if (port == nullptr || port->facts() == nullptr ||
                keeper_.state(*path) != health::PathState::active)
                continue;
            if (std::ranges::find(working, entry.path) == working.end() &&
                std::ranges::find(others, entry.path) == others.end())
                (entry.why_failed.empty() ? working : others).push_back(entry.path);
        }
    working.insert(working.end(), others.begin(), others.end());
    return working;
}

bool ReservationSender::carries(std::string_view name) const {
    const auto all = map_.has_live_table() ? map_.statistics() : std::vector<multipath::PathStatistics>();
    return std::ranges::any_of(all, [name](const multipath::PathStatistics &entry) {
        return entry.path == name && entry.why_failed.empty();
    });
}

ReservationSender::Names ReservationSender::usable_paths() const {
    Names names = up_paths();
    if (names.empty())
        throw base::Error(ENOTCONN, "no SCSI path of map {} is up", map_.name());
    return names;
}

block::ScsiTalk<ScsiReply> ReservationSender::send_order(std::string name, block::ScsiOrder order) {
    const std::function<block::ScsiPort *()> port = [this, name] { return paths_.scsi(name); };
    Talk<ScsiReply> command = block::ask_unit(port, std::move(order));
    ScsiReply reply = co_await command;
    co_return reply;
}

block::ScsiTalk<ReservationSender::Replies> ReservationSender::send_to_all(Names names,
                                                                           ReserveOutOrder order) {
    Replies replies(names.size());
    std::vector<std::size_t> open(names.size());
    for (std::size_t i = 0; i < open.size(); ++i)
        open[i] = i;
    for (unsigned times = 0; times < block::most_times_asked && !open.empty(); ++times) {
        block::ScsiAnswers answers;
        for (const std::size_t i : open)
            answers.ask(paths_.scsi(names[i]), order_of(order));
        Replies now = co_await answers;
        for (std::size_t i = 0; i < open.size(); ++i)
            replies[open[i]] = std::move(now[i]);
        std::erase_if(open, [&](std::size_t i) { return !block::may_ask_again(replies[i].result); });
    }
    co_return replies;
}

block::ScsiTalk<std::string> ReservationSender::send_to_one(ReserveOutOrder order) {
    const Names names = usable_paths();
    std::optional<base::Error> error;
    for (const std::string &name : names) {
        Talk<ScsiReply> command = send(name, order);
        const ScsiReply reply = co_await command;
        if (is_good(reply.result))
            co_return name;
        if (!error || !is_gone(reply.result))
            error = refusal(name, reply.result);
        // Another path may hold the reservation, or have been registered already.
        if (!is_gone(reply.result) && !is_conflict(reply.result))
            break;
    }
    throw base::Error(*error);
}

block::ScsiTalk<ScsiReply> ReservationSender::send(std::string name, ReserveOutOrder order) {
    return send_order(std::move(name), order_of(order));
}

block::ScsiTalk<std::vector<std::byte>> ReservationSender::ask(ReserveIn what, std::uint16_t length) {
    const Names names = usable_paths();
    std::optional<base::Error> error;
    for (const std::string &name : names) {
        block::ScsiOrder question = block::reserve_in_order(what, length);
        question.patience = patience;
        Talk<ScsiReply> command = send_order(name, std::move(question));
        ScsiReply reply = co_await command;
        if (is_good(reply.result))
            co_return std::move(reply.data);
        error = refusal(name, reply.result);
        if (error->code() == EOPNOTSUPP)
            break;
    }
    throw base::Error(*error);
}

block::ScsiTalk<block::Reservation> ReservationSender::held() {
    Talk<std::vector<std::byte>> question = ask(ReserveIn::reservation);
    const std::vector<std::byte> answer = co_await question;
    co_return block::read_reservation(answer);
}

} // namespace nbdmpathd
