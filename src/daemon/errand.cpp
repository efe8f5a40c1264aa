// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/errand.hpp"

#include "base/error.hpp"
#include "io/worker.hpp"

#include <utility>

namespace nbdmpathd {

/// What both threads have of it; each field belongs to one of them.
struct Errand::Shared {
    command::Maps::Ended ended;                  // control loop
    std::unique_ptr<command::Activity> activity; // home worker
    bool called_off = false;                     // home worker
};

Errand::Errand(io::Worker &control, io::Worker &home, Beginning beginning, command::Maps::Ended ended)
    : home_(home)
    , shared_(std::make_shared<Shared>()) {
    shared_->ended = std::move(ended);
    // The activity holds this: it must not hold the activity.
    auto finish = [&control, weak = std::weak_ptr(shared_)](command::Outcome outcome) {
        control.post_from_anywhere([weak, outcome = std::move(outcome)] {
            const auto shared = weak.lock();
            if (shared && shared->ended)
                std::exchange(shared->ended, nullptr)(outcome);
        });
    };
    home.post_from_anywhere([shared = shared_, beginning = std::move(beginning), finish] {
        if (shared->called_off)
            return;
        try {
            shared->activity = beginning(finish);
        } catch (const base::Error &error) {
            finish({error.code(), error.what(), {}});
        }
    });
}

Errand::~Errand() {
    shared_->ended = nullptr;
    home_.post_from_anywhere([shared = shared_] {
        shared->called_off = true;
        shared->activity.reset();
    });
}

} // namespace nbdmpathd
