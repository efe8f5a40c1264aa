// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "world.hpp"

namespace sim {

/// A path that a handler is activating.
struct World::Activation {
    Activation(World &in, PathsModel::Entry &activated, handler::ActivationObserver &hears,
               handler::Result ends)
        : world(in)
        , entry(activated)
        , observer(hears)
        , result(ends)
        , timer(in.scheduler_, base::Delegate<>::to<&Activation::ripe>(*this)) {}
    void ripe() noexcept {
        handler::ActivationObserver &hears = observer;
        const handler::Result ends = result;
        World &in = world;
        in.checker_.activation_ends(entry, ends);
        in.activations_.remove_if([this](const Activation &each) { return &each == this; });
        hears.activated(ends);
        in.checker_.activation_ended();
    }

    World &world;
    PathsModel::Entry &entry;
    handler::ActivationObserver &observer;
    handler::Result result;
    base::Timer timer;
};

/// Somebody who waits for a ticket.
struct World::Waiter {
    Waiter(GateModel &tells, GateModel::Waiter &waits)
        : gate(tells)
        , model(waits) {}
    void ended(int result) noexcept { gate.ended(model, result); }

    GateModel &gate;
    GateModel::Waiter &model;
};

} // namespace sim
