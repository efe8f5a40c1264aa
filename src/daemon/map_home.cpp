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

/// One word.
std::string tls_text(const nbd::Client &client) {
    if (client.identities.empty())
        return client.tls ? "yes" : "no";
    std::string text = client.identities.front();
    std::ranges::replace(text, ' ', '_');
    return text;
}

multipath::MapOptions with_buffers(multipath::MapOptions options, base::BufferPool &buffers) {
    options.buffers = &buffers;
    return options;
}
} // namespace

MapHome::MapHome(io::Worker &worker, MapPlan plan, MapHomeObserver &observer)
    : worker_(worker)
    , plan_(std::move(plan))
    , observer_(observer)
    , buffers_(worker, plan_.buffer_memory)
    , map_(worker, plan_.name, with_buffers(plan_.options, buffers_), paths_, *this)
    , keeper_(worker, map_, plan_.expected, *this)
    , held_watch_(worker, map_, health::HeldWatch::Tell::to<&MapHome::path_notice>(*this))
    , paths_(worker, plan_, keeper_)
    , sessions_(worker, map_, buffers_, plan_.limits,
                nbd::ExportSessions::DropHeld::to<&multipath::Map::drop_held>(map_))
    , grace_(worker, base::Delegate<>::to<&MapHome::close_paths>(*this))
    , advance_loads_(base::Delegate<>::to<&MapHome::advance_loads>(*this))
    , expected_(plan_.expected)
    , reservations_(worker, map_, paths_, keeper_, *this) {
    share_memory(plan_.buffer_memory);
    keeper_.registrar().set(plan_.reservation_key);
}

MapHome::~MapHome() = default;

/// An eighth is for receiving, by itself: who waits for the data's memory may hold some of it.
void MapHome::share_memory(std::size_t bytes) noexcept {
    buffers_.set_limit(bytes - bytes / 8);
    sessions_.set_block_memory(bytes / 8);
}

void MapHome::start() {
    started_ = plan_.table.empty();
    publish();
    if (started_)
        return;
    try {
        first_load_ =
            begin_load(plan_.table, [this](const command::Outcome &outcome) { first_table_staged(outcome); });
    } catch (const base::Error &error) {
        first_table_staged({error.code(), error.what(), {}});
    }
}

void MapHome::disk_seen() noexcept {
    const auto paths = keeper_.alike(paths_.backends(map_.dependencies()), keeper_.expected().fingerprint);
    const health::Disk disk = health::disk_behind(paths, expected_, map_.geometry());
    map_.set_geometry(disk.geometry);
    disk_seen_ = disk.seen;
    keeper_.set_disk_seen(disk.seen);
    publish();
}

void MapHome::publish() {
    auto info = std::make_shared<nbd::ExportInfo>();
    info->name = plan_.name;
    info->description = plan_.description;
    info->geometry = map_.geometry();
    info->policy = plan_.policy;
    info->geometry.read_only |= plan_.policy.access == nbd::ExportPolicy::Access::read_only;
    info->home = sessions_.home();
    info->ready = map_.has_live_table() && info->geometry.size != 0;
    if (!map_.has_live_table() && started_)
        info->why_not = "this map has no table" + (why_not_.empty() ? why_not_ : ": " + why_not_);
    else if (!info->ready)
        info->why_not = "no path of this map has been reached yet, so its size is not known";
    observer_.map_export(std::move(info), started_);
}

void MapHome::event(const multipath::Event &event) noexcept {
    if (event.action == "PATH_FAILED")
        keeper_.path_failed();
    base::log::info("{}: {} {}", plan_.name, event.action, event.details);
    if (event.action == "RENAMED")
        observer_.map_renamed(plan_.name, map_.name(), event);
    else
        observer_.map_event(plan_.name, event);
}

void MapHome::warning(std::string_view text) noexcept { base::log::warning("{}: {}", plan_.name, text); }

void MapHome::path_checked(std::string_view path, std::string_view state) noexcept {
    observer_.map_event(
        plan_.name, {"CHECKER", fmt::format("path={} state={}", path, state), map_.event_number(), false});
}

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
    copy.live_table = map_.has_live_table();
    copy.inactive_table = map_.has_inactive_table() && resumes_ == 0; // a resume has taken it
    copy.suspended = map_.suspended();
    if (copy.inactive_table) {
        copy.staged_table = map_.inactive_table_text();
        copy.staged_sectors = staged_->disk.geometry.size / sector;
    }
    if (copy.live_table) {
        copy.info = map_.info_text();
        copy.table = map_.table_text();
        copy.dependencies = map_.dependencies();
        copy.statistics = path_statistics();
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
    copy.in_doubt = map_.in_doubt();
    copy.unflushed = map_.unflushed();
    copy.memory = buffers_.used() + sessions_.blocks().used();
    copy.memory_limit = buffers_.limit() + sessions_.blocks().limit();
    copy.independent_caches = map_.options().independent_caches;
    return copy;
}

std::vector<multipath::PathStatistics> MapHome::path_statistics() const {
    std::vector<multipath::PathStatistics> all = map_.statistics();
    for (multipath::PathStatistics &entry : all) {
        const backend::FaultBackend *path = paths_.find_backend(entry.path);
        if (path == nullptr)
            continue;
        entry.fence = path->fencing();
        if (const block::ScsiFacts *facts = path->scsi_facts())
            entry.wwid = facts->wwid;
        if (entry.why_failed.empty() || entry.why_failed == "by message")
            continue;
        const health::PathState state = keeper_.state(*path);
        if (state == health::PathState::mismatch)
            entry.why_failed = "mismatch";
        else if (keeper_.registers(*path))
            entry.why_failed = "not registered";
        else if (!path->up() && entry.why_failed != "quarantined")
            entry.why_failed = "disconnected";
    }
    return all;
}

std::uint64_t MapHome::size_sectors() const { return map_.geometry().size / sector; }

void MapHome::require_started() const {
    if (closing_)
        throw base::Error(ESHUTDOWN, "map {} is being closed", plan_.name);
    if (!started_)
        throw base::Error(EAGAIN, "map {} has no table yet: its paths are still being connected", plan_.name);
}

void MapHome::message(std::span<const std::string> words) {
    require_started();
    // To a map without a table it is no error (reference 2.17).
    if (!map_.has_live_table())
        return;
    if (words.size() == 2 && base::equal_ignoring_case(words[0], "reinstate_path")) {
        const backend::Backend *path = paths_.find_backend(words[1]);
        if (path != nullptr && keeper_.registers(*path))
            throw base::Error(EAGAIN, "path {} is not registered with the map's reservation key", words[1]);
        keeper_.accept(words[1]);
    }
    map_.message(words);
}

void MapHome::inject(const std::string &path, std::string_view rule) {
    paths_.require(path).add_rule(backend::parse_fault(rule));
}

void MapHome::remove_injected(const std::string &path) { paths_.require(path).remove_rules(); }

std::vector<std::string> MapHome::injected_rules(const std::string &path) {
    return paths_.require(path).rules();
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
    if (std::exchange(closing_, true))
        return;
    keeper_.stop();
    map_.shut_down();
    worker_.post(advance_loads_);
    while (!passings_.empty())
        passings_.front().give_up(ESHUTDOWN);
    grace_.start_in(grace);
    sessions_.shut_down(grace, base::Delegate<>::to<&MapHome::sessions_closed>(*this));
}

void MapHome::leave(base::Duration grace) {
    if (closing_)
        throw base::Error(ENXIO, "map {} is being removed", plan_.name);
    if (const std::size_t clients = sessions_.count(); clients != 0)
        throw base::Error(EBUSY, "map {} has {} client{} connected", plan_.name, clients,
                          clients == 1 ? "" : "s");
    base::log::info("{}: REMOVED", plan_.name);
    observer_.map_leaving(plan_.name, multipath::Event{"REMOVED", {}, map_.event_number() + 1, true});
    close(grace);
}

void MapHome::rename(const std::string &name) {
    map_.rename(name); // tells of it, under the old name
    plan_.name = name;
    publish();
}

void MapHome::sessions_closed() noexcept {
    sessions_open_ = false;
    map_.flush_at_end(base::Delegate<>::to<&MapHome::close_paths>(*this));
    tell_when_closed();
}

void MapHome::close_paths() noexcept {
    grace_.cancel();
    if (std::exchange(closing_paths_, true))
        return;
    paths_.close_all(base::Delegate<>::to<&MapHome::paths_closed>(*this));
}

void MapHome::paths_closed() noexcept {
    paths_closed_ = true;
    tell_when_closed();
}

void MapHome::tell_when_closed() noexcept {
    // The sessions count each of their requests, so nothing is in flight any more.
    if (!sessions_open_ && paths_closed_)
        observer_.map_closed();
}

} // namespace nbdmpathd
