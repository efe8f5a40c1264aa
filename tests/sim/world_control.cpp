// SPDX-License-Identifier: BSD-3-Clause
// What an operator does: messages, tables, suspends, probes; and the hardware handler.
#include "world_parts.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace sim {

using namespace std::chrono_literals;

bool World::messages_refused() const { return checker_.paths.kernel() && map_->suspended(); }

void World::message(const std::string &text, int expected) {
    if (messages_refused())
        expected = EBUSY;
    int result = 0;
    try {
        map_->message(base::split_words(text));
    } catch (const base::Error &error) {
        result = error.code();
    }
    if (result != expected)
        verdict_.fail("message '{}' gave {} instead of {}", text, result, expected);
    checker_.end();
}

void World::fail_path(unsigned device) {
    checker_.begin();
    bool found = false;
    if (!messages_refused() && device < devices)
        checker_.paths.for_each_entry(device, [&](auto &entry) {
            found = true;
            checker_.paths.fail(entry);
            entry.held_down = true;
        });
    const int unknown = device >= devices && checker_.paths.kernel() ? ENODEV : EINVAL;
    message("fail_path " + device_name(device), found ? 0 : unknown);
}

void World::reinstate_path(unsigned device) {
    // That is the operator's part of it.
    if (device < devices && map_->in_quarantine(*devices_[device]))
        devices_[device]->restart();
    checker_.begin();
    bool found = false;
    const bool barred = device < devices && checker_.barred[device];
    if (!messages_refused() && device < devices && !barred)
        checker_.paths.for_each_entry(device, [&](auto &entry) {
            found = true;
            checker_.paths.reinstate(entry);
            checker_.released(device);
        });
    const int unknown = device >= devices && checker_.paths.kernel() ? ENODEV : EINVAL;
    message("reinstate_path " + device_name(device), found ? 0 : unknown);
}

void World::group(unsigned verb, unsigned number) {
    static constexpr std::array<std::string_view, 3> verbs{"disable_group", "enable_group", "Switch_Group"};
    checker_.begin();
    const bool valid = number != 0 && number <= checker_.paths.groups.size();
    if (valid && !messages_refused()) {
        if (verb == 2)
            checker_.paths.switch_to(number - 1);
        else
            checker_.paths.bypass(number - 1, verb == 0);
    }
    message(fmt::format("{} {}", verbs[verb], number), valid ? 0 : EINVAL);
}

void World::queueing(bool on) {
    checker_.begin();
    if (!messages_refused())
        checker_.paths.message_queueing(on);
    message(on ? "queue_if_no_path" : "FAIL_if_no_path", 0);
}

void World::nonsense(unsigned which) {
    static const std::array<std::string, 5> texts{"", "queue_if_no_path 1", "switch_group", "disable_group x",
                                                  "make_coffee P0"};
    checker_.begin();
    message(texts[which], EINVAL);
}

GateModel::Waiter *World::free_waiter() {
    for (const auto &waiter : checker_.waiters)
        if (!waiter->pending)
            return waiter.get();
    return nullptr;
}

void World::operate(bool resuming, bool noflush) {
    GateModel::Waiter *waiter = free_waiter();
    if (waiter == nullptr)
        return;
    checker_.begin();
    checker_.gate.begins(*waiter, resuming, noflush);
    if (resuming)
        map_->resume(*waiter->ticket, noflush);
    else
        map_->suspend(*waiter->ticket, noflush);
    checker_.end();
}

void World::withdraw(unsigned ticket) {
    GateModel::Waiter &waiter = *checker_.waiters[ticket];
    if (!waiter.pending)
        return;
    checker_.begin();
    checker_.gate.withdrawn(waiter);
    map_->withdraw(*waiter.ticket);
    checker_.end();
}

void World::load(unsigned table, bool mistaken) {
    const TableSpec spec = random_table(table, setup_.disks_independent);
    bool loaded = true;
    try {
        map_->load(mistaken ? spec.text() + " rest" : spec.text());
    } catch (const base::Error &) {
        loaded = false;
    }
    if (loaded == mistaken)
        verdict_.fail("table '{}' was {}", spec.text(), loaded ? "loaded" : "refused");
    if (!mistaken)
        checker_.gate.inactive = spec;
}

void World::probe() {
    GateModel::Waiter *waiter = free_waiter();
    if (waiter == nullptr)
        return;
    checker_.probing();
    checker_.gate.probe_begins(*waiter);
    map_->probe(*waiter->ticket);
    checker_.probed();
}

void World::pass() {
    checker_.passing();
    int error = 0;
    const block::Device *device = map_->device_for_passing(error);
    checker_.passed(device, error);
}

void World::rename() {
    checker_.begin();
    checker_.story.expect("RENAMED name=n");
    map_->rename("n");
    checker_.end();
}

void World::script_activation(const Action &action) {
    using handler::Result;
    static constexpr std::array<Result, 18> results{Result::ok,
                                                    Result::ok,
                                                    Result::ok,
                                                    Result::device_failed,
                                                    Result::temporarily_busy,
                                                    Result::temporarily_busy,
                                                    Result::unsupported,
                                                    Result::not_connected,
                                                    Result::connection_failure,
                                                    Result::io_error,
                                                    Result::invalid_io,
                                                    Result::retry,
                                                    Result::retry,
                                                    Result::immediate_retry,
                                                    Result::timed_out,
                                                    Result::resource_unavailable,
                                                    Result::offlined,
                                                    Result::no_system};
    static constexpr std::array<base::Duration, 6> delays{0ms, 1ms, 20ms, 100ms, 700ms, 3s};
    const auto &n = action.numbers;
    for (unsigned i = 0; i <= n[3]; ++i)
        results_[n[0]].push_back({results[n[1]], delays[n[2]]});
}

void World::activate(const fakes::HandlerScript::Waiting &asked) {
    const unsigned device = static_cast<const PathDevice *>(asked.device)->number;
    PathsModel::Entry *entry = checker_.activation_asked(device);
    if (entry == nullptr)
        return; // the run has failed
    Scripted scripted{handler::Result::ok, 0ms};
    if (!results_[device].empty()) {
        scripted = results_[device].front();
        results_[device].pop_front();
    }
    Activation &made = activations_.emplace_back(*this, *entry, *asked.observer, scripted.result);
    made.timer.start_in(scripted.delay);
}

} // namespace sim
