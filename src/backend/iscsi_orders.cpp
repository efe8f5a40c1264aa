// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_orders.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace backend {

namespace {

constexpr std::size_t shortest_block = 6;

bool is_of_a_form(const block::ScsiOrder &order) noexcept {
    return order.block.size() >= shortest_block && order.block.size() <= ScsiCommand{}.block.size() &&
           (order.out.empty() || order.in == 0);
}

} // namespace

IscsiOrders::Order::Order(block::ScsiOrder what, Ended whom)
    : Command(Kind::order)
    , order(std::move(what))
    , ended(std::move(whom)) {}

IscsiOrders::IscsiOrders(base::Scheduler &scheduler, IscsiSession &session, IscsiPulse &pulse) noexcept
    : scheduler_(scheduler)
    , session_(session)
    , pulse_(pulse)
    , deliver_(base::Delegate<>::to<&IscsiOrders::deliver>(*this))
    , overdue_(scheduler, base::Delegate<>::to<&IscsiOrders::look>(*this)) {}

IscsiOrders::~IscsiOrders() { assert(empty() && "closed and drained first"); }

void IscsiOrders::execute(block::ScsiOrder what, Ended ended) {
    Order &order = sent_.emplace_back(std::move(what), std::move(ended));
    order.due = scheduler_.now() + order.order.patience;
    if (unit_ == nullptr || !is_of_a_form(order.order)) {
        order.reply.result.status = block::ScsiReply::not_sent;
        finish(sent_, std::prev(sent_.end()));
        return;
    }
    ScsiCommand command;
    std::ranges::copy(order.order.block, command.block.begin());
    command.block_size = static_cast<std::uint8_t>(order.order.block.size());
    if (!order.order.out.empty()) {
        command.direction = ScsiCommand::Data::out;
        command.data = order.order.out.data();
        command.length = static_cast<std::uint32_t>(order.order.out.size());
    } else if (order.order.in != 0) {
        order.reply.data.resize(order.order.in);
        command.direction = ScsiCommand::Data::in;
        command.data = order.reply.data.data();
        command.length = order.order.in;
    }
    if (!overdue_.active() || order.due < overdue_.when())
        overdue_.start_at(order.due);
    session_.issue(order, command);
    pulse_.watch();
}

void IscsiOrders::answered(IscsiSession::Command &command, const IscsiSession::Answer &answer) noexcept {
    auto &order = static_cast<Order &>(command);
    const auto at = std::ranges::find_if(sent_, [&](const Order &one) { return &one == &order; });
    tell(answer.result);
    if (order.told) {
        sent_.erase(at);
        return;
    }
    order.reply.result = answer.result;
    order.reply.sense = std::move(order.sense);
    order.reply.data.resize(std::min<std::size_t>(order.reply.data.size(), answer.moved));
    finish(sent_, at);
}

void IscsiOrders::end() noexcept {
    unit_ = nullptr;
    overdue_.cancel();
    while (!sent_.empty()) {
        if (sent_.front().told) {
            sent_.pop_front();
            continue;
        }
        sent_.front().reply.result.status = block::ScsiReply::lost;
        finish(sent_, sent_.begin());
    }
}

void IscsiOrders::finish(Orders &from, Orders::iterator order) noexcept {
    if (order->reply.result.status < 0)
        order->reply.data.clear();
    ended_.splice(ended_.end(), from, order);
    scheduler_.post(deliver_);
}

void IscsiOrders::look() noexcept {
    const base::TimePoint now = scheduler_.now();
    base::TimePoint next = base::TimePoint::max();
    std::vector<Ended> late;
    for (Order &order : sent_) {
        if (order.told)
            continue;
        if (order.due > now) {
            next = std::min(next, order.due);
        } else {
            order.told = true;
            late.push_back(std::move(order.ended));
        }
    }
    if (next != base::TimePoint::max())
        overdue_.start_at(next);
    block::ScsiReply reply;
    reply.result.status = block::ScsiReply::overdue;
    for (const Ended &ended : late)
        ended(reply);
}

void IscsiOrders::deliver() noexcept {
    Orders now;
    now.splice(now.end(), ended_);
    for (Order &order : now)
        order.ended(order.reply);
}

} // namespace backend
