// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/signals.hpp"

#include "io/worker.hpp"

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <csignal>

namespace nbdmpathd {

struct Signals::Set {
    Set(io::Worker &worker, base::Delegate<> end_action, base::Delegate<> reload_action)
        : signals(worker.context(), SIGTERM, SIGINT, SIGHUP)
        , end(end_action)
        , reload(reload_action) {}

    void wait() {
        signals.async_wait([this](const std::error_code &error, int number) {
            if (error)
                return;
            if (number == SIGHUP) {
                reload();
            } else {
                end();
            }
            wait();
        });
    }

    asio::signal_set signals;
    base::Delegate<> end;
    base::Delegate<> reload;
};

Signals::Signals(io::Worker &worker, base::Delegate<> end, base::Delegate<> reload)
    : set_(std::make_unique<Set>(worker, end, reload)) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGCHLD, SIG_DFL); // ignored, as we may be started, nobody could wait for a fence_command
    set_->wait();
}

Signals::~Signals() = default;

} // namespace nbdmpathd
