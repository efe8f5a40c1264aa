// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/map_home.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <utility>

namespace nbdmpathd {

namespace {
constexpr std::uint64_t sector = 512;
constexpr std::size_t longest_name = 127;

/// One word.
std::string tls_text(const nbd::Client &client) {
    if (client.identities.empty())
        return client.tls ? "yes" : "no";
    std::string text = client.identities.front();
    std::ranges::replace(text, ' ', '_');
    return text;
}
} // namespace

MapHome::MapHome(io::Worker &worker, MapPlan plan, MapHomeObserver &observer)
    : plan_(std::move(plan))
    , observer_(observer)
    , buffers_(worker, plan_.buffer_memory)
    , map_(worker, plan_.name, plan_.options, *this, *this)
    , keeper_(worker, map_, plan_.expected, *this)
    , sessions_(worker, map_, buffers_, plan_.limits,
                nbd::ExportSessions::DropHeld::to<&multipath::Map::drop_held>(map_))
    , grace_(worker, base::Delegate<>::to<&MapHome::close_paths>(*this)) {
    for (const MapPlan::PathPlan &path : plan_.paths) {
        auto make = [&worker, path] { return path.type->create(worker, path.settings); };
        paths_.push_back({path.settings.name, std::make_unique<backend::FaultBackend>(worker, make)});
        for (const backend::FaultSpec &fault : path.faults) {
            base::log::warning("{}: path {} has a fault injected: {}", plan_.name, path.settings.name,
                               fault.text);
            paths_.back().backend->add_rule(fault);
        }
        keeper_.add(path.settings.name, *paths_.back().backend);
    }
}

MapHome::~MapHome() = default;

void MapHome::start() {
    publish();
    keeper_.start();
}

void MapHome::paths_settled() noexcept {
    map_.load(plan_.table);
    map_.start();
    loaded_ = true;
    publish();
}

multipath::PathDevice MapHome::find(std::string_view name) {
    const auto own = std::ranges::find(paths_, name, &OwnPath::name);
    if (own == paths_.end())
        return {};
    return {own->backend.get(), keeper_.usable(*own->backend)};
}

void MapHome::geometry_known(const block::Geometry &) noexcept { publish(); }

void MapHome::publish() {
    auto info = std::make_shared<nbd::ExportInfo>();
    info->name = plan_.name;
    info->description = plan_.description;
    info->geometry = map_.geometry();
    info->policy = plan_.policy;
    info->geometry.read_only |= plan_.policy.access == nbd::ExportPolicy::Access::read_only;
    info->home = sessions_.home();
    info->ready = loaded_ && info->geometry.size != 0;
    if (!info->ready)
        info->why_not = "no path of this map has been reached yet, so its size is not known";
    observer_.map_export(plan_.name, std::move(info), loaded_);
}

void MapHome::event(const multipath::Event &event) noexcept {
    if (event.action == "PATH_FAILED")
        keeper_.path_failed();
    base::log::info("{}: {} {}", plan_.name, event.action, event.details);
    observer_.map_event(plan_.name, event);
}

void MapHome::warning(std::string_view text) noexcept { base::log::warning("{}: {}", plan_.name, text); }

void MapHome::path_notice(std::string_view text, bool bad) noexcept {
    if (bad)
        base::log::warning("{}: {}", plan_.name, text);
    else
        base::log::info("{}: {}", plan_.name, text);
}

command::MapSnapshot MapHome::snapshot() const {
    const block::Geometry &geometry = map_.geometry();
    command::MapSnapshot copy;
    copy.name = plan_.name;
    copy.live_table = loaded_;
    if (loaded_) {
        copy.info = map_.info_text();
        copy.table = map_.table_text();
        copy.dependencies = map_.dependencies();
        copy.statistics = map_.statistics();
    }
    copy.size_sectors = geometry.size / sector;
    copy.event_number = map_.event_number();
    copy.open_count = sessions_.count();
    copy.read_only = geometry.read_only;
    copy.minimum_block = geometry.minimum_block;
    copy.preferred_block = geometry.preferred_block;
    copy.maximum_block = geometry.maximum_payload;
    copy.held = map_.held();
    copy.held_oldest = std::chrono::duration_cast<std::chrono::milliseconds>(map_.held_oldest());
    copy.independent_caches = plan_.options.independent_caches;
    return copy;
}

std::uint64_t MapHome::size_sectors() const { return map_.geometry().size / sector; }

void MapHome::message(std::span<const std::string> words) {
    if (!loaded_)
        throw base::Error(EAGAIN, "map {} has no table yet: its paths are still being connected", plan_.name);
    map_.message(words);
}

backend::FaultBackend &MapHome::require_path(const std::string &name) {
    const auto own = std::ranges::find(paths_, name, &OwnPath::name);
    if (own != paths_.end())
        return *own->backend;
    std::vector<std::string_view> names;
    for (const OwnPath &path : paths_)
        names.push_back(path.name);
    const std::string quote = name.substr(0, longest_name);
    const std::string_view nearest = base::nearest_word(quote, names);
    throw base::Error(EINVAL, "map {} has no path '{}'{}", plan_.name, quote,
                      nearest.empty() ? "; 'deps' lists them" : fmt::format("; did you mean '{}'?", nearest));
}

void MapHome::inject(const std::string &path, std::string_view rule) {
    require_path(path).add_rule(backend::parse_fault(rule));
}

void MapHome::remove_injected(const std::string &path) { require_path(path).remove_rules(); }

std::vector<std::string> MapHome::injected_rules(const std::string &path) {
    return require_path(path).rules();
}

std::vector<command::ClientSnapshot> MapHome::clients() const {
    std::vector<command::ClientSnapshot> result;
    sessions_.for_each([this, &result](const nbd::Session &session) {
        const base::Duration connected = sessions_.worker().now() - session.begin();
        result.push_back({.number = session.client().number,
                          .peer = session.client().peer,
                          .export_name = plan_.name,
                          .tls = tls_text(session.client()),
                          .requests = session.traffic().requests,
                          .read_bytes = session.traffic().read_bytes,
                          .written_bytes = session.traffic().written_bytes,
                          .in_flight = session.in_flight(),
                          .connected = std::chrono::duration_cast<std::chrono::seconds>(connected)});
    });
    return result;
}

void MapHome::close(base::Duration grace) {
    keeper_.stop();
    map_.shut_down();
    grace_.start_in(grace);
    sessions_.shut_down(grace, base::Delegate<>::to<&MapHome::sessions_closed>(*this));
}

void MapHome::sessions_closed() noexcept {
    sessions_open_ = false;
    grace_.cancel();
    close_paths();
    tell_when_closed();
}

void MapHome::close_paths() noexcept {
    if (std::exchange(closing_paths_, true))
        return;
    paths_open_ = paths_.size();
    for (const OwnPath &path : paths_)
        path.backend->close(base::Delegate<>::to<&MapHome::path_closed>(*this));
}

void MapHome::path_closed() noexcept {
    --paths_open_;
    tell_when_closed();
}

void MapHome::tell_when_closed() noexcept {
    // The sessions count each of their requests, so nothing is in flight any more.
    if (!sessions_open_ && paths_open_ == 0)
        observer_.map_closed(plan_.name);
}

} // namespace nbdmpathd
