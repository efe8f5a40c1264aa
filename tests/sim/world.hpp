// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "action.hpp"
#include "base/buffer_pool.hpp"
#include "checker.hpp"
#include "fakes/manual_scheduler.hpp"
#include "fakes/scripted_handler.hpp"

#include <deque>
#include <list>

namespace sim {

/// A map with paths, clients and an operator, to whom actions happen.
class World final : private multipath::DeviceSet {
public:
    World(Verdict &verdict, std::uint64_t seed);
    ~World();

    void perform(const Action &action);
    /// Everything is repaired; then everything must end. Or the map is shut down as it is.
    void finish();

private:
    struct Activation;
    struct Waiter;
    struct Scripted {
        handler::Result result;
        base::Duration delay;
    };

    multipath::PathDevice find(std::string_view name) override;
    void apply(const Action &action);
    void run_tasks(std::optional<unsigned> count = std::nullopt);
    void advance(base::Duration by);
    void repair();
    void expect_all_to_end();

    // world_requests.cpp
    void send(const Action &action);
    void send(Client &client, block::Operation operation, unsigned first, unsigned count, bool fua);
    void leave(unsigned client);
    void script_answers(const Action &action);
    void die(unsigned device, bool told, PathDevice::End end);
    void revive(unsigned device, bool told);
    void bar(unsigned device, bool barred);

    // world_control.cpp
    void message(const std::string &text, int expected);
    void fail_path(unsigned device);
    void reinstate_path(unsigned device);
    void group(unsigned verb, unsigned number);
    void queueing(bool on);
    void nonsense(unsigned which);
    void operate(bool resuming, bool noflush);
    void withdraw(unsigned ticket);
    void load(unsigned table, bool mistaken);
    void probe();
    void pass();
    void rename();
    void script_activation(const Action &action);
    void activate(const fakes::HandlerScript::Waiting &asked);
    GateModel::Waiter *free_waiter();
    [[nodiscard]] bool messages_refused() const;

    void flushed_at_end() noexcept { flushed_at_end_ = true; }
    [[nodiscard]] multipath::MapOptions map_options() noexcept;

    Verdict &verdict_;
    const Setup setup_;
    fakes::HandlerScript handler_;
    fakes::ManualScheduler scheduler_;
    base::BufferPool buffers_;
    bool flushed_at_end_ = false;
    Disk disk_;
    Checker checker_;
    std::vector<std::unique_ptr<PathDevice>> devices_;
    std::vector<Client *> clients_;
    std::array<std::deque<Scripted>, devices> results_;
    std::list<Activation> activations_;
    std::vector<Waiter> waiters_;
    std::unique_ptr<multipath::Map> map_;
};

} // namespace sim
