// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/daemon.hpp"

#include "base/log.hpp"
#include "daemon/plan.hpp"
#include "daemon/signals.hpp"

#include <algorithm>
#include <sched.h>
#include <utility>

namespace nbdmpathd {

namespace {

constexpr std::size_t most_automatic_threads = 4;
// From the end of shutdown_timeout: for sessions and paths to close.
constexpr base::Duration time_to_give_up = std::chrono::seconds(1);

std::size_t usable_cpus() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    return ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? static_cast<std::size_t>(CPU_COUNT(&cpus)) : 1;
}

std::size_t threads(const config::Config &configuration) {
    return configuration.threads != 0 ? configuration.threads
                                      : std::min(usable_cpus(), most_automatic_threads);
}

nbd::ServerLimits server_limits(const config::Limits &limits) {
    nbd::ServerLimits result;
    result.connections = limits.connections;
    result.handshake_timeout = limits.handshake_timeout;
    return result;
}

nbd::TlsMode tls_mode(const config::Listener *listener) {
    if (listener == nullptr || listener->tls == config::Tls::off)
        return nbd::TlsMode::off;
    return listener->tls == config::Tls::allow ? nbd::TlsMode::allow : nbd::TlsMode::require;
}

} // namespace

Daemon::Daemon(const config::Config &configuration, ActivatedSockets sockets)
    : configuration_(configuration)
    , service_manager_(control_)
    , plans_(plan_maps(configuration_))
    , maps_(control_, threads(configuration_), plan_any_map(configuration_), configuration_.default_export,
            configuration_.initiator_name, base::Delegate<>::to<&Daemon::start_accepting>(*this),
            base::Delegate<>::to<&Daemon::maps_closed>(*this))
    , last_resort_(control_, base::Delegate<>::to<&Daemon::end_at_once>(*this))
    , nbd_(control_, maps_, server_limits(configuration.limits))
    , admin_(control_, maps_) {
    nbd_.pause(); // until the paths have answered: who comes early waits, and is not refused
    nbd_.use(load_credentials(configuration_.tls));
    for (OpenedSocket &opened : open_sockets(configuration_.listen, std::move(sockets.nbd)))
        nbd_.listen(std::move(opened.socket), tls_mode(opened.listener));
    for (OpenedSocket &opened : open_sockets(configuration_.admin, std::move(sockets.admin)))
        admin_.listen(std::move(opened.socket));
}

Daemon::~Daemon() = default;

bool Daemon::run() {
    signals_ = std::make_unique<Signals>(control_, base::Delegate<>::to<&Daemon::shut_down>(*this),
                                         base::Delegate<>::to<&Daemon::reload>(*this));
    maps_.start(std::move(plans_));
    control_.run();
    return orderly_;
}

void Daemon::start_accepting() {
    nbd_.resume();
    const std::size_t exports = maps_.names().size();
    const std::string serving = fmt::format("serving {} export{}", exports, exports == 1 ? "" : "s");
    base::log::info("{}", serving);
    service_manager_.ready(serving);
}

void Daemon::maps_closed() { control_.stop(); }

void Daemon::reload() {
    base::log::warning("SIGHUP: only the files of 'tls' are read again; the configuration is not");
    try {
        nbd_.use(load_credentials(configuration_.tls));
    } catch (const base::Error &error) {
        base::log::error("{}; the former ones are used on", error.what());
    }
}

void Daemon::shut_down() {
    if (std::exchange(ending_, true)) {
        end_at_once();
        return;
    }
    base::log::info("shutting down");
    service_manager_.stopping();
    nbd_.stop({});
    const base::Duration grace = configuration_.shutdown_timeout;
    last_resort_.start_in(grace + time_to_give_up);
    maps_.close(grace);
}

void Daemon::end_at_once() noexcept {
    base::log::warning("ending at once, with requests in flight");
    nbd_.stop({});
    admin_.close();
    orderly_ = false;
    control_.stop();
}

} // namespace nbdmpathd
