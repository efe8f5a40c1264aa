// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "fakes/fake_scsi_port.hpp"
#include "fakes/manual_scheduler.hpp"
#include "handler/alua_commands.hpp"
#include "handler/handler.hpp"

#include <array>
#include <deque>
#include <doctest/doctest.h>
#include <map>

using block::ScsiReply;
using fakes::good;
using fakes::sense;
using handler::AccessState;
using handler::Result;

namespace {
using namespace std::chrono_literals;

constexpr auto report_code = std::byte{0xa3};
constexpr auto change_code = std::byte{0xa4};

/// What an array with two target port groups says and does.
struct Array {
    struct Group {
        AccessState state = AccessState::optimized;
        bool preferred = false;
        std::uint8_t supported = 0xdf;
    };

    ScsiReply answer(const block::ScsiOrder &order) {
        if (!refusals.empty()) {
            const ScsiReply refusal = refusals.front();
            refusals.pop_front();
            return refusal;
        }
        if (order.block[0] == report_code)
            return order.block[1] == std::byte{0x2a} && !knows_header ? sense(5, 0x24, 0) : report(order);
        if (order.block[0] == change_code)
            groups[std::to_integer<std::uint16_t>(order.out[7])].state = becomes;
        return good();
    }

    ScsiReply report(const block::ScsiOrder &order) {
        const bool extended = order.block[1] == std::byte{0x2a};
        std::vector<std::byte> data(extended ? 8 : 4);
        if (extended) {
            data[4] = std::byte{0x10};
            data[5] = static_cast<std::byte>(seconds);
        }
        for (const auto &[id, group] : groups) {
            const std::array<unsigned, 12> bytes{static_cast<unsigned>(group.state) |
                                                     (group.preferred ? 0x80U : 0U),
                                                 group.supported,
                                                 0,
                                                 id,
                                                 0,
                                                 0,
                                                 0,
                                                 1,
                                                 0,
                                                 0,
                                                 0,
                                                 id};
            for (const unsigned byte : bytes)
                data.push_back(static_cast<std::byte>(byte));
        }
        data.resize(data.size() + padding);
        data[3] = static_cast<std::byte>((data.size() - 4) & 0xffU);
        data[2] = static_cast<std::byte>((data.size() - 4) >> 8);
        data.resize(std::min<std::size_t>(data.size(), order.in));
        return good(data);
    }

    std::map<std::uint16_t, Group> groups{{1, {}}, {2, {}}};
    std::deque<ScsiReply> refusals; ///< to the next commands
    AccessState becomes = AccessState::optimized;
    bool knows_header = true;
    unsigned seconds = 0;
    std::size_t padding = 0;
};

struct Unit final : block::Device {
    Unit(base::Scheduler &scheduler, Array &array, std::uint16_t group, std::uint8_t mode = 3)
        : port(scheduler) {
        port.says.wwid = "naa.6001";
        port.says.port_groups = mode;
        port.says.port_group = group;
        port.answer = [&array](const block::ScsiOrder &order) { return array.answer(order); };
    }
    void submit(block::Request &) noexcept override {}
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return disk; }
    [[nodiscard]] block::ScsiPort *scsi() noexcept override { return &port; }

    fakes::FakeScsiPort port;
    block::Geometry disk;
};

struct Activated final : handler::ActivationObserver {
    void activated(Result result) noexcept override { results.push_back(result); }
    std::vector<Result> results;
};
using Results = std::vector<Result>;

/// A table's handler with paths to one array: two lead to group 1, one to group 2.
struct Rig final : handler::Listener {
    explicit Rig(std::uint8_t mode = 3, const std::vector<std::string> &parameters = {})
        : a(scheduler, array, 1, mode)
        , b(scheduler, array, 1, mode)
        , c(scheduler, array, 2, mode)
        , alua(handler::find_type("alua")->create(scheduler, *this)) {
        alua->set_parameters(parameters);
        for (Unit *unit : {&a, &b, &c})
            CHECK(alua->attach(*unit));
    }
    void handler_event(std::string_view action, std::string details) noexcept override {
        told.push_back(fmt::format("{} {}", action, details));
    }
    void handler_warning(std::string_view text) noexcept override { told.emplace_back(text); }

    /// What is asked when the paths are attached has been asked.
    void settle() {
        scheduler.advance(10ms);
        took();
    }
    /// What paths a and b were sent.
    std::string took() {
        c.port.took();
        const std::string by_a = a.port.took();
        const std::string by_b = b.port.took();
        return by_a + (by_a.empty() || by_b.empty() ? "" : " + ") + by_b;
    }
    Results activate_a(base::Duration wait = 10ms) {
        alua->activate(a, observer);
        scheduler.advance(wait);
        return std::exchange(observer.results, {});
    }
    void set(std::uint16_t group, AccessState state) { array.groups[group].state = state; }

    fakes::ManualScheduler scheduler;
    std::vector<std::string> told;
    Array array;
    Unit a;
    Unit b;
    Unit c;
    std::unique_ptr<handler::Handler> alua;
    Activated observer;
};
} // namespace

TEST_CASE("handler alua takes no argument, 0 or 1") {
    Rig rig;
    const auto takes = [&](std::vector<std::string> words) {
        try {
            rig.alua->set_parameters(words);
            return true;
        } catch (const base::Error &error) {
            CHECK(error.code() == EINVAL);
            return false;
        }
    };
    CHECK(takes({}));
    CHECK(takes({"0"}));
    CHECK(takes({"1"}));
    CHECK(!takes({"2"}));
    CHECK(!takes({""}));
    CHECK(!takes({"1", "1"}));
}

TEST_CASE("a device that is no SCSI unit knows no handler alua") {
    struct Plain final : block::Device {
        void submit(block::Request &) noexcept override {}
        [[nodiscard]] const block::Geometry &geometry() const noexcept override { return disk; }
        block::Geometry disk;
    } plain;
    Rig rig;
    CHECK(!rig.alua->attach(plain));
    CHECK(rig.alua->objection(plain).empty());
    CHECK(rig.alua->state_of(plain).empty());
}

TEST_CASE("a unit without target port groups is objected to, once it was reached") {
    Rig rig;
    CHECK(rig.alua->objection(rig.a).empty());
    rig.a.port.says.port_groups = 0;
    CHECK(rig.alua->objection(rig.a) ==
          "its unit has no target port groups, which hardware handler alua needs");
    rig.a.port.up = false;
    CHECK(rig.alua->objection(rig.a).empty());
    rig.b.port.says.port_group.reset();
    CHECK(rig.alua->objection(rig.b) ==
          "its unit does not name its target port group, which hardware handler alua needs");
}

TEST_CASE("the states are asked for when paths are attached, once for each group") {
    Rig rig;
    rig.set(2, AccessState::standby);
    CHECK(rig.alua->state_of(rig.a).empty());
    rig.scheduler.advance(4ms);
    CHECK(rig.took().empty());
    rig.scheduler.advance(1ms);
    CHECK(rig.took() == "a3");
    CHECK(rig.alua->state_of(rig.a) == "active/optimized");
    CHECK(rig.alua->state_of(rig.b) == "active/optimized");
    CHECK(rig.alua->state_of(rig.c) == "standby");
    CHECK(rig.told == std::vector<std::string>{"PORT_GROUP unit=naa.6001 id=1 state=active/optimized",
                                               "PORT_GROUP unit=naa.6001 id=2 state=standby"});
    CHECK(rig.alua->may_send(rig.a));
    CHECK(!rig.alua->may_send(rig.c));
}

TEST_CASE("an activation of an optimized group only asks") {
    Rig rig;
    rig.settle();
    CHECK(rig.activate_a() == Results{Result::ok});
    CHECK(rig.took() == "a3");
}

TEST_CASE("an activation makes a group optimized that is not, and looks what came of it") {
    for (const AccessState state :
         {AccessState::standby, AccessState::unavailable, AccessState::non_optimized}) {
        Rig rig;
        rig.settle();
        rig.set(1, state);
        CHECK(rig.activate_a() == Results{Result::ok});
        CHECK(rig.took() == "a3 a4 a3");
        CHECK(rig.array.groups[1].state == AccessState::optimized);
        CHECK(rig.alua->may_send(rig.a));
    }
}

TEST_CASE("all activations of a group share one run and its result") {
    Rig rig;
    rig.settle();
    rig.set(1, AccessState::standby);
    Activated more;
    rig.alua->activate(rig.b, more);
    CHECK(rig.activate_a() == Results{Result::ok});
    CHECK(more.results == Results{Result::ok});
    CHECK(rig.took() == "a3 a4 a3");
}

TEST_CASE("a group that only the array changes is activated as it is, and takes no requests in standby") {
    Rig rig(1);
    rig.settle();
    rig.set(1, AccessState::standby);
    CHECK(rig.activate_a() == Results{Result::ok});
    CHECK(rig.took() == "a3");
    CHECK(!rig.alua->may_send(rig.a));
}

TEST_CASE("with argument 1 a non-optimized group stays so, unless the array prefers it or cannot change it") {
    for (const bool preferred : {false, true}) {
        for (const std::uint8_t mode : {std::uint8_t{3}, std::uint8_t{2}}) {
            Rig rig(mode, {"1"});
            rig.array.groups[1] = {.state = AccessState::non_optimized, .preferred = preferred};
            rig.settle();
            CHECK(rig.activate_a() == Results{Result::ok});
            CHECK(rig.took() == (preferred || mode == 2 ? "a3 a4 a3" : "a3"));
        }
    }
}

TEST_CASE("a unit that knows no extended header is asked without") {
    Rig rig;
    rig.array.knows_header = false;
    rig.set(1, AccessState::non_optimized);
    rig.scheduler.advance(10ms);
    CHECK(rig.alua->state_of(rig.a) == "active/non-optimized");
    CHECK(rig.took() == "a3 a3");
    rig.a.port.hear(sense(6, 0x2a, 6));
    rig.scheduler.advance(10ms);
    CHECK(rig.took() == "a3");
}

TEST_CASE("a long answer is asked for again, whole") {
    Rig rig;
    rig.array.padding = 500;
    rig.scheduler.advance(10ms);
    const auto orders = rig.a.port.orders;
    REQUIRE(orders.size() == 2);
    CHECK(orders[0].in == 128);
    CHECK(orders[1].in == 532);
}

TEST_CASE("unit attentions are asked through, five at once, then every two seconds") {
    Rig rig;
    rig.settle();
    rig.array.refusals.assign(7, sense(6, 0x29, 0));
    CHECK(rig.activate_a().empty());
    CHECK(rig.took() == "a3 a3 a3 a3 a3 a3");
    rig.scheduler.advance(2s);
    CHECK(rig.took() == "a3");
    rig.scheduler.advance(2s);
    CHECK(rig.took() == "a3");
    CHECK(rig.observer.results == Results{Result::ok});
}

TEST_CASE("a change that met a unit attention is asked for again") {
    Rig rig;
    rig.settle();
    rig.set(1, AccessState::standby);
    rig.a.port.holding = true;
    rig.alua->activate(rig.a, rig.observer);
    rig.scheduler.advance(10ms);
    rig.a.port.answer = [&, attention = false](const block::ScsiOrder &order) mutable {
        const bool first = order.block[0] == change_code && !std::exchange(attention, true);
        return first ? sense(6, 0x29, 0) : rig.array.answer(order);
    };
    rig.a.port.release();
    rig.scheduler.advance(10ms);
    CHECK(rig.observer.results == Results{Result::ok});
    CHECK(rig.array.groups[1].state == AccessState::optimized);
}

TEST_CASE("a refused change is no failure: what the array reports then counts") {
    Rig rig;
    rig.settle();
    rig.set(1, AccessState::standby);
    rig.array.becomes = AccessState::standby;
    CHECK(rig.activate_a() == Results{Result::ok});
    CHECK(!rig.alua->may_send(rig.a));
    rig.a.port.answer = [&](const block::ScsiOrder &order) {
        return order.block[0] == change_code ? sense(5, 0x26, 0) : rig.array.answer(order);
    };
    CHECK(rig.activate_a() == Results{Result::ok});
    CHECK(!rig.alua->may_send(rig.a));
    CHECK(rig.told.back() ==
          "target port group 1 of unit naa.6001 cannot be made active/optimized: sense 5/26/00");
    rig.a.port.answer = [&](const block::ScsiOrder &order) {
        return order.block[0] == change_code ? fakes::status(0x18) : rig.array.answer(order);
    };
    CHECK(rig.activate_a() == Results{Result::temporarily_busy});
}

TEST_CASE("a transition is waited for, two seconds each time") {
    Rig rig;
    rig.settle();
    rig.set(1, AccessState::transitioning);
    CHECK(rig.activate_a().empty());
    CHECK(rig.took() == "a3");
    CHECK(rig.alua->may_send(rig.a));
    rig.array.refusals.assign(2, sense(2, 4, 0x0a)); // to TEST UNIT READY
    rig.scheduler.advance(4s);
    CHECK(rig.took() == "00 00");
    rig.set(1, AccessState::optimized);
    rig.scheduler.advance(2s);
    CHECK(rig.took() == "00 a3");
    CHECK(rig.observer.results == Results{Result::ok});
}

TEST_CASE("a transition that takes longer than the array says is an error, and the group counts as standby") {
    Rig rig;
    rig.array.seconds = 10;
    rig.settle();
    CHECK(rig.a.port.transition_timeout() == 10s);
    rig.set(1, AccessState::transitioning);
    CHECK(rig.activate_a(9s).empty());
    rig.scheduler.advance(3s);
    CHECK(rig.observer.results == Results{Result::io_error});
    CHECK(rig.alua->state_of(rig.a) == "standby");
    CHECK(!rig.alua->may_send(rig.a));
}

TEST_CASE("without an answer in time, and offline, an activation fails") {
    Rig rig;
    rig.settle();
    rig.array.refusals = {fakes::status(ScsiReply::overdue)};
    CHECK(rig.activate_a() == Results{Result::io_error});
    rig.set(1, AccessState::offline);
    CHECK(rig.activate_a() == Results{Result::offlined});
    CHECK(!rig.alua->may_send(rig.a));
    rig.set(1, AccessState::lba_dependent);
    CHECK(rig.activate_a() == Results{Result::no_system});
}

TEST_CASE("a unit that supports no other state need not tell it") {
    Rig rig;
    rig.array.groups[1].supported = handler::supports_optimized;
    rig.settle();
    rig.array.refusals = {sense(5, 0x20, 0)};
    CHECK(rig.activate_a() == Results{Result::ok});
}

TEST_CASE("another path to the group is used when one is lost or down") {
    Rig rig;
    rig.settle();
    rig.set(1, AccessState::standby);
    rig.a.port.holding = true;
    CHECK(rig.activate_a().empty());
    rig.a.port.go_down();
    rig.scheduler.advance(10ms);
    CHECK(rig.observer.results == Results{Result::ok});
    CHECK(rig.took() == "a3 + a3 a4 a3");
}

TEST_CASE("without any path to the group there is nothing to activate") {
    Rig rig;
    rig.settle();
    rig.a.port.up = rig.b.port.up = false;
    CHECK(rig.activate_a() == Results{Result::resource_unavailable});
    Unit late(rig.scheduler, rig.array, 1);
    late.port.up = false;
    CHECK(rig.alua->attach(late));
    CHECK(rig.alua->may_send(late));
    rig.alua->activate(late, rig.observer);
    rig.scheduler.advance(10ms);
    CHECK(rig.observer.results == Results{Result::resource_unavailable});
    late.port.up = true;
    rig.alua->reached(late);
    rig.scheduler.advance(10ms);
    CHECK(late.port.took() == "a3");
    CHECK(rig.alua->state_of(late) == "active/optimized");
    rig.alua.reset();
}

TEST_CASE("sense codes about the access state are looked into") {
    for (const ScsiReply &told : {sense(6, 0x29, 0), sense(6, 0x2a, 6), sense(6, 0x2a, 7), sense(2, 4, 0x0b),
                                  sense(2, 4, 0x0c), sense(2, 4, 0x12)}) {
        Rig rig;
        rig.settle();
        rig.set(1, AccessState::standby);
        rig.b.port.hear(told);
        rig.scheduler.advance(10ms);
        CHECK(rig.took() == "a3");
        CHECK(!rig.alua->may_send(rig.a));
    }
    Rig rig;
    rig.settle();
    rig.b.port.hear(sense(3, 0x11, 0));
    rig.scheduler.advance(10ms);
    CHECK(rig.took().empty());
}

TEST_CASE("what a unit says of a transition counts at once") {
    for (const std::uint8_t key : {std::uint8_t{2}, std::uint8_t{6}}) {
        Rig rig;
        rig.settle();
        rig.a.port.hear(sense(key, 4, 0x0a));
        CHECK(rig.alua->state_of(rig.b) == "transitioning");
        rig.scheduler.advance(10ms);
        CHECK(rig.took() == "00 a3");
        CHECK(rig.alua->state_of(rig.b) == "active/optimized");
    }
}

TEST_CASE("one group's report is taken for the others of the unit, not for another unit's") {
    Rig rig;
    Unit other(rig.scheduler, rig.array, 2);
    other.port.says.wwid = "naa.6002";
    CHECK(rig.alua->attach(other));
    rig.settle();
    rig.set(2, AccessState::standby);
    rig.a.port.hear(sense(6, 0x2a, 6));
    rig.scheduler.advance(10ms);
    CHECK(rig.alua->state_of(rig.c) == "standby");
    CHECK(rig.alua->state_of(other) == "active/optimized");
    rig.alua.reset();
}

TEST_CASE("a path that comes back may lead to another group, or to a unit without any") {
    Rig rig;
    rig.set(2, AccessState::standby);
    rig.settle();
    rig.b.port.says.port_group = std::uint16_t{2};
    rig.alua->reached(rig.b);
    rig.scheduler.advance(10ms);
    CHECK(rig.alua->state_of(rig.b) == "standby");
    rig.b.port.says.port_groups = 0;
    rig.alua->reached(rig.b);
    CHECK(rig.alua->state_of(rig.b).empty());
}

TEST_CASE("a handler that is stopped ends its activations and outlives the devices") {
    Rig rig;
    rig.settle();
    rig.set(1, AccessState::transitioning);
    CHECK(rig.activate_a().empty());
    rig.alua->stop();
    rig.scheduler.advance(1ms);
    CHECK(std::exchange(rig.observer.results, {}) == Results{Result::resource_unavailable});
    CHECK(rig.activate_a(1ms) == Results{Result::resource_unavailable});
    rig.took();
    rig.a.port.hear(sense(6, 0x2a, 6));
    rig.scheduler.advance(1s);
    CHECK(rig.took().empty());
}

TEST_CASE("an answer may come after the handler's end") {
    Rig rig;
    rig.a.port.holding = rig.c.port.holding = true;
    rig.scheduler.advance(10ms);
    rig.alua.reset();
    rig.a.port.release();
    rig.c.port.release();
    CHECK(rig.scheduler.run());
}
