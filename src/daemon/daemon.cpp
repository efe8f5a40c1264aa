// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/daemon.hpp"

#include "base/log.hpp"
#include "daemon/errand.hpp"
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
    , last_resort_(control_, base::Delegate<>::to<&Daemon::end_at_once>(*this))
    , nbd_(control_, *this, server_limits(configuration.limits))
    , admin_(control_, *this) {
    std::vector<MapPlan> plans = plan_maps(configuration_);
    nbd_.pause(); // until the paths have answered: who comes early waits, and is not refused
    nbd_.use(load_credentials(configuration_.tls));
    for (OpenedSocket &opened : open_sockets(configuration_.listen, std::move(sockets.nbd)))
        nbd_.listen(std::move(opened.socket), tls_mode(opened.listener));
    for (OpenedSocket &opened : open_sockets(configuration_.admin, std::move(sockets.admin)))
        admin_.listen(std::move(opened.socket));
    start_maps(std::move(plans));
}

Daemon::~Daemon() {
    for (const auto &loop : loops_) {
        loop->worker.stop();
        if (loop->thread.joinable())
            loop->thread.join();
    }
}

void Daemon::start_maps(std::vector<MapPlan> plans) {
    std::size_t threads = configuration_.threads;
    if (threads == 0)
        threads = std::min(usable_cpus(), most_automatic_threads);
    threads = std::max<std::size_t>(1, std::min(threads, plans.size()));
    for (std::size_t i = 0; i < threads; ++i)
        loops_.push_back(std::make_unique<Loop>());
    for (std::size_t i = 0; i < plans.size(); ++i) {
        auto home = std::make_unique<Home>();
        home->name = plans[i].name;
        home->worker = &loops_[i % threads]->worker;
        MapHomeObserver &observer = *this; // private base: make_unique could not convert
        home->map = std::make_unique<MapHome>(*home->worker, std::move(plans[i]), observer);
        homes_.push_back(std::move(home));
    }
    homes_open_ = homes_.size();
}

bool Daemon::run() {
    signals_ = std::make_unique<Signals>(control_, base::Delegate<>::to<&Daemon::shut_down>(*this),
                                         base::Delegate<>::to<&Daemon::reload>(*this));
    for (const auto &loop : loops_)
        loop->thread = std::thread([&worker = loop->worker] { worker.run(); });
    for (const auto &home : homes_)
        home->worker->post_from_anywhere([map = home->map.get()] { map->start(); });
    start_accepting_when_settled();
    control_.run();
    return orderly_;
}

void Daemon::start_accepting_when_settled() {
    const auto settled = [](const auto &home) { return home->settled; };
    if (accepting_ || ending_ || !std::ranges::all_of(homes_, settled))
        return;
    accepting_ = true;
    nbd_.resume();
    const std::string serving =
        fmt::format("serving {} export{}", homes_.size(), homes_.size() == 1 ? "" : "s");
    base::log::info("{}", serving);
    service_manager_.ready(serving);
}

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
    for (const auto &home : homes_)
        home->worker->post_from_anywhere([map = home->map.get(), grace] { map->close(grace); });
    last_resort_.start_in(grace + time_to_give_up);
    if (homes_.empty())
        control_.stop();
}

void Daemon::end_at_once() noexcept {
    base::log::warning("ending at once, with requests in flight");
    nbd_.stop({});
    admin_.close();
    orderly_ = false;
    control_.stop();
}

Daemon::Home *Daemon::find_home(std::string_view name) const {
    const auto found = std::ranges::find_if(homes_, [name](const auto &home) { return home->name == name; });
    return found == homes_.end() ? nullptr : found->get();
}

std::vector<std::string> Daemon::names() const {
    std::vector<std::string> result;
    for (const auto &home : homes_)
        result.push_back(home->name);
    return result;
}

bool Daemon::has(std::string_view map) const { return find_home(map) != nullptr; }

void Daemon::visit(const std::string &map, Step step, Done done) {
    Home *home = find_home(map);
    if (home == nullptr || ending_) {
        done(base::Error(ENXIO, "there is no map {}", map));
        return;
    }
    // `done` crosses threads twice and is destroyed where it came from.
    auto held_done = std::make_shared<Done>(std::move(done));
    home->worker->post_from_anywhere([this, home, step = std::move(step), held_done]() mutable {
        // An exception's text is shared between its copies: only plain values cross threads.
        int code = 0;
        std::string text;
        try {
            step(*home->map);
        } catch (const base::Error &caught) {
            code = caught.code();
            text = caught.what();
        }
        control_.post_from_anywhere([held_done = std::move(held_done), code, text = std::move(text)] {
            (*held_done)(code == 0 ? std::nullopt : std::optional<base::Error>(base::Error(code, text)));
        });
    });
}

std::unique_ptr<command::Call::Waiting> Daemon::begin(const std::string &map, Beginning beginning,
                                                      Ended ended) {
    Home *home = find_home(map);
    if (home == nullptr || ending_) {
        ended({ENXIO, fmt::format("there is no map {}", map), {}});
        return nullptr;
    }
    return std::make_unique<Errand>(control_, *home->worker, *home->map, std::move(beginning),
                                    std::move(ended));
}

std::vector<std::shared_ptr<const nbd::ExportInfo>> Daemon::list() const {
    std::vector<std::shared_ptr<const nbd::ExportInfo>> result;
    for (const auto &home : homes_)
        if (home->info)
            result.push_back(home->info);
    return result;
}

std::shared_ptr<const nbd::ExportInfo> Daemon::find(std::string_view name) const {
    const Home *home = find_home(name.empty() ? std::string_view(configuration_.default_export) : name);
    return home == nullptr ? nullptr : home->info;
}

void Daemon::map_event(const std::string &map, const multipath::Event &event) {
    control_.post_from_anywhere([this, map, event] { feed_.publish(map, event); });
}

void Daemon::map_export(const std::string &map, std::shared_ptr<const nbd::ExportInfo> info, bool settled) {
    control_.post_from_anywhere([this, map, info = std::move(info), settled] {
        Home *home = find_home(map);
        home->info = info;
        home->settled = settled;
        start_accepting_when_settled();
    });
}

void Daemon::map_closed(const std::string &map) {
    control_.post_from_anywhere([this, map] {
        Home *home = find_home(map);
        home->info.reset();
        home->worker->post_from_anywhere([this, home] {
            home->map.reset();
            control_.post_from_anywhere([this] {
                if (--homes_open_ == 0)
                    control_.stop();
            });
        });
    });
}

} // namespace nbdmpathd
