// SPDX-License-Identifier: BSD-3-Clause
#include "world_parts.hpp"

#include <algorithm>

namespace sim {

using namespace std::chrono_literals;

namespace {
constexpr std::array<base::Duration, 10> pauses{0ms, 1ms, 5ms, 20ms, 99ms, 100ms, 150ms, 500ms, 2s, 4s};
} // namespace

World::World(Verdict &verdict, std::uint64_t seed)
    : verdict_(verdict)
    , setup_(seed)
    , buffers_(scheduler_, setup_.buffer_memory)
    , disk_(verdict, setup_.disks_independent)
    , checker_(verdict, scheduler_, setup_, disk_) {
    handler_.lets_send = [this](const block::Device &device) {
        return checker_.may_send(static_cast<const PathDevice &>(device));
    };
    handler_.asked = [this](const fakes::HandlerScript::Waiting &asked) { activate(asked); };
    for (unsigned i = 0; i < devices; ++i) {
        devices_.push_back(
            std::make_unique<PathDevice>(i, scheduler_, disk_, checker_, setup_.ghosts_within));
        checker_.path_devices[i] = devices_.back().get();
    }
    waiters_.reserve(6);
    for (unsigned i = 0; i < 6; ++i) {
        checker_.waiters.push_back(std::make_unique<GateModel::Waiter>());
        Waiter &waiter = waiters_.emplace_back(checker_.gate, *checker_.waiters.back());
        waiter.model.ticket =
            std::make_unique<multipath::Ticket>(base::Delegate<int>::to<&Waiter::ended>(waiter));
    }
    multipath::DeviceSet &paths = *this; // private base: make_unique could not convert
    map_ = std::make_unique<multipath::Map>(scheduler_, "m", map_options(), paths, checker_);
    map_->load(setup_.table.text());
    if (setup_.starts_by_resume) {
        waiters_[0].model.pending = true;
        waiters_[0].model.result = 0;
        map_->resume(*waiters_[0].model.ticket);
    } else {
        map_->start();
    }
    checker_.table_is_live(*map_, setup_.table);
    for (unsigned i = 0; i < 3; ++i)
        clients_.push_back(&checker_.connect());
    run_tasks();
}

World::~World() = default;

multipath::MapOptions World::map_options() noexcept {
    multipath::MapOptions options = setup_.options;
    options.buffers = setup_.buffer_memory != 0 ? &buffers_ : nullptr;
    return options;
}

multipath::PathDevice World::find(std::string_view name) {
    for (const auto &device : devices_)
        if (device_name(device->number) == name)
            return {
                .device = device.get(), .usable = device->alive(), .barred = checker_.barred[device->number]};
    return {};
}

void World::perform(const Action &action) {
    apply(action);
    if (!verdict_.failed())
        run_tasks(action.tasks);
}

void World::run_tasks(std::optional<unsigned> count) {
    const bool to_the_end = !count || checker_.gate.unsure();
    const bool settled = scheduler_.run(static_cast<int>(to_the_end ? 5000 : *count));
    if (!settled && to_the_end)
        verdict_.fail("the tasks have no end");
    checker_.step_over(settled);
    if (!settled && !verdict_.failed() && checker_.gate.unsure())
        run_tasks();
}

void World::advance(base::Duration by) {
    const base::TimePoint end = scheduler_.now() + by;
    run_tasks();
    while (!verdict_.failed() && scheduler_.advance_to_timer(end))
        run_tasks();
    checker_.time_passed();
}

void World::apply(const Action &action) {
    const auto &n = action.numbers;
    switch (action.kind) {
    case Kind::io:
        return send(action);
    case Kind::leave:
        return leave(n[0]);
    case Kind::answer:
        return script_answers(action);
    case Kind::hang:
        return devices_[n[0]]->hang();
    case Kind::release:
        return devices_[n[0]]->release();
    case Kind::die:
        return die(n[0], n[1] != 0, PathDevice::End{std::min(n[2], 2U)});
    case Kind::revive:
        return revive(n[0], n[1] != 0);
    case Kind::bar:
        return bar(n[0], n[1] != 0);
    case Kind::fail_path:
        return fail_path(n[0]);
    case Kind::reinstate_path:
        return reinstate_path(n[0]);
    case Kind::group:
        return group(n[0], n[1]);
    case Kind::queueing:
        return queueing(n[0] != 0);
    case Kind::nonsense:
        return nonsense(n[0]);
    case Kind::suspend:
        return operate(false, n[0] != 0);
    case Kind::resume:
        return operate(true, n[0] != 0);
    case Kind::withdraw:
        return withdraw(n[0]);
    case Kind::load:
        return load(n[0], n[1] == 0);
    case Kind::clear:
        checker_.gate.inactive.reset();
        return map_->clear();
    case Kind::probe:
        return probe();
    case Kind::pass:
        return pass();
    case Kind::activation:
        return script_activation(action);
    case Kind::refuse:
        checker_.refusing[n[0]] = n[1] != 0;
        return;
    case Kind::rename:
        return rename();
    case Kind::advance:
        return advance(pauses[n[0]]);
    }
}

void World::expect_all_to_end() {
    repair();
    for (unsigned i = 0; i < 10 && !checker_.gate.idle(); ++i)
        advance(5s);
    if (checker_.gate.state != GateModel::State::open)
        operate(true, false);
    advance(5s);
    repair(); // messages may have been refused
    advance(20s);
    for (unsigned block = 0; block < blocks && !verdict_.failed(); ++block)
        send(*clients_[0], block::Operation::read, block, 1, false);
    clients_[1] = &checker_.connect(); // what was lost before is not its loss
    send(*clients_[1], block::Operation::flush, 0, 0, false);
    advance(20s);
    if (!verdict_.failed())
        checker_.expect_all_done();
    // What the table says of itself is a table.
    map_->load(map_->table_text());
    if (map_->inactive_table_text() != map_->table_text())
        verdict_.fail("'{}' reads as '{}'", map_->table_text(), map_->inactive_table_text());
    checker_.gate.inactive = checker_.paths.spec;
    if (!scheduler_.idle())
        verdict_.fail("a timer runs although everything is done");
}

void World::repair() {
    for (unsigned i = 0; i < devices; ++i) {
        results_[i].clear();
        checker_.refusing[i] = false;
        bar(i, false);
        if (!devices_[i]->alive())
            revive(i, false);
        devices_[i]->release();
        if (i < devices_in_tables)
            reinstate_path(i);
    }
    queueing(false);
}

void World::finish() {
    run_tasks();
    if (!verdict_.failed() && !setup_.ends_by_shutdown)
        expect_all_to_end();
    if (verdict_.failed())
        return;
    checker_.shut_down();
    map_->shut_down();
    checker_.end();
    for (const auto &device : devices_)
        device->release();
    advance(20s);
    map_->flush_at_end(base::Delegate<>::to<&World::flushed_at_end>(*this));
    advance(20s);
    if (!flushed_at_end_)
        verdict_.fail("the flush at the end never ended");
    if (!verdict_.failed())
        checker_.expect_all_done();
    if (verdict_.failed())
        return;
    map_.reset();
}

} // namespace sim
