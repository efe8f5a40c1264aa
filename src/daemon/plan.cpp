// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/plan.hpp"

#include "daemon/caches.hpp"
#include "daemon/no_device.hpp"

#include <algorithm>

namespace nbdmpathd {

namespace {

std::vector<backend::FaultSpec> faults_of(const config::Path &path) {
    std::vector<backend::FaultSpec> faults;
    for (const std::string &rule : path.inject)
        faults.push_back(backend::parse_fault(rule));
    return faults;
}

nbd::ExportPolicy plan_policy(const config::Map &map) {
    nbd::ExportPolicy policy;
    policy.listed = map.listed;
    policy.max_clients = map.max_clients;
    policy.allow = map.allow;
    policy.tls_only = map.tls_only || !map.tls_identities.empty();
    policy.tls_identities = map.tls_identities;
    switch (map.access) {
    case config::Access::shared:
        policy.access = nbd::ExportPolicy::Access::shared;
        break;
    case config::Access::exclusive:
        policy.access = nbd::ExportPolicy::Access::exclusive;
        break;
    case config::Access::read_only:
        policy.access = nbd::ExportPolicy::Access::read_only;
        break;
    }
    return policy;
}

/// The book with which the configuration's own tables are checked. A path whose URI was wrong is there too.
PathBook book_of(const std::vector<config::Path> &paths) {
    PathBook book;
    for (const config::Path &path : paths)
        book.emplace(
            path.name,
            PathPlan{backend::find_type(path.uri), {path.name, path.uri, path.values}, faults_of(path)});
    return book;
}

/// Every path of the configuration, for parsing a table without its devices.
class NamedDevices final : public multipath::DeviceSet {
public:
    explicit NamedDevices(const config::PathNames &paths)
        : paths_(paths) {}
    multipath::PathDevice find(std::string_view name) override {
        (void)paths_.require(name);
        return {&no_device(), true};
    }

private:
    const config::PathNames &paths_;
};

multipath::TableRules rules_of(const config::Map &map) {
    multipath::TableRules rules;
    rules.compat = map.kernel_compat ? &multipath::kernel : &multipath::seed;
    return rules;
}

std::unique_ptr<multipath::Table> parse_table(const config::TableCheck &check) {
    NamedDevices devices(check.paths);
    return multipath::Table::parse(check.map.table, devices, rules_of(check.map));
}

/// Design D3.
void plan_ambiguous_writes(const config::Map &map, MapPlan &plan) {
    using config::AmbiguousWrites;
    const AmbiguousWrites word = map.ambiguous_writes.value_or(AmbiguousWrites::hold);
    plan.fences = !map.ambiguous_writes || word == AmbiguousWrites::fence;
    plan.fence_timeout = map.fence_timeout;
    plan.options.ambiguous_hold = map.ambiguous_hold;
    if (word == AmbiguousWrites::retry)
        plan.options.ambiguous_writes = multipath::AmbiguousWrites::retry;
    else if (word == AmbiguousWrites::hold)
        plan.options.ambiguous_writes = multipath::AmbiguousWrites::hold;
    else // what is still in doubt after a fence was not cut off
        plan.options.ambiguous_writes = multipath::AmbiguousWrites::fail;
}

void check_fences(const config::Map &map, const multipath::Table &table, const PathBook &book,
                  config::Problems &problems) {
    if (map.ambiguous_writes != config::AmbiguousWrites::fence)
        return;
    for (const std::string &name : path_names(table)) {
        const PathPlan &path = book.find(name)->second;
        if (path.type != nullptr && path.type->can_fence != nullptr &&
            !path.type->can_fence(path.settings.values))
            problems.add(map.where,
                         "map {}: ambiguous_writes: fence, but path {} cannot be cut off: give it a "
                         "fence_command, or say hold",
                         map.name, name);
    }
}

void check_wwid(const config::Map &map, const multipath::Table &table, const PathBook &book,
                config::Problems &problems) {
    const auto names = path_names(table);
    const bool is_asked = std::ranges::any_of(names, [&](const std::string &name) {
        const backend::Type *type = book.find(name)->second.type;
        return type == nullptr || type->is_scsi;
    });
    if (!map.wwid.empty() && !is_asked)
        problems.add(map.wwid_where, "wwid: only iscsi paths say what they are, and map {} has none",
                     map.name);
}

void check_reservation_key(const config::Map &map, const multipath::Table &table, const PathBook &book,
                           config::Problems &problems) {
    if (map.reservation_key == 0)
        return;
    for (const std::string &name : path_names(table)) {
        const backend::Type *type = book.find(name)->second.type;
        if (type != nullptr && !type->is_scsi)
            problems.add(map.reservation_key_where,
                         "reservation_key: path {} of map {} is not SCSI, so it could "
                         "never be used",
                         name, map.name);
    }
}

MapPlan plan_map(const config::Map &map, const config::Config &configuration, MapPlan plan,
                 config::Problems &problems) {
    const config::PathNames names(configuration.paths);
    const auto table = parse_table({map, names});
    plan.name = map.name;
    plan.description = map.description;
    plan.table = map.table;
    plan.cache_stated = map.cache.has_value();
    plan.options.independent_caches = map.cache ? *map.cache == config::Cache::independent
                                                : !see_one_cache(path_names(*table), *plan.paths);
    plan.options.unflushed_limit = map.unflushed_limit_bytes;
    plan.options.no_path_timeout = map.no_path_timeout;
    plan.options.verify_eio = map.eio == config::Eio::verify;
    plan.options.rules = rules_of(map);
    plan.expected.size = map.size_bytes;
    plan.expected.read_only = map.read_only;
    for (const config::FingerprintRange &range : map.fingerprint)
        plan.expected.fingerprint.push_back({range.offset, range.length, range.sha256});
    plan.expected.wwid = map.wwid;
    plan.expected.reinstate = map.reinstate == config::Reinstate::automatic;
    plan.policy = plan_policy(map);
    plan_ambiguous_writes(map, plan);
    check_fences(map, *table, *plan.paths, problems);
    check_wwid(map, *table, *plan.paths, problems);
    plan.reservation_key = {map.reservation_key, map.reservation_survives_power_loss};
    check_reservation_key(map, *table, *plan.paths, problems);
    const std::string conflict = cache_conflict(*table);
    if (plan.options.independent_caches && !map.read_only && !conflict.empty())
        problems.add(map.table_where, "map {}: {}", map.name, conflict);
    return plan;
}

} // namespace

config::Environment environment() {
    config::Environment result;
    for (const backend::Type *type : backend::all_types())
        result.path_types.push_back({type->schemes, type->keys, type->check_uri, type->check_values});
    for (const selector::Type *type : selector::all_types())
        result.selectors.push_back(type->name);
    result.check_inject = [](std::string_view rule) { (void)backend::parse_fault(rule); };
    result.most_injected = backend::FaultBackend::most_rules;
    result.check_table = [](const config::TableCheck &check) { (void)parse_table(check); };
    return result;
}

MapPlan plan_any_map(const config::Config &configuration) {
    MapPlan plan;
    plan.paths = std::make_shared<const PathBook>(book_of(configuration.paths));
    plan.buffer_memory = configuration.limits.buffer_memory_bytes;
    plan.limits.requests_per_connection = configuration.limits.requests_per_connection;
    return plan;
}

std::vector<MapPlan> plan_maps(const config::Config &configuration) {
    config::Problems problems;
    std::vector<MapPlan> plans;
    const MapPlan any = plan_any_map(configuration);
    for (const config::Map &map : configuration.maps)
        plans.push_back(plan_map(map, configuration, any, problems));
    problems.throw_if_any();
    return plans;
}

std::shared_ptr<const nbd::TlsCredentials> load_credentials(const config::TlsFiles &files) {
    if (!files.any())
        return nullptr;
    try {
        return nbd::TlsCredentials::load({files.certificates, files.verify_peer, files.psk});
    } catch (const base::Error &error) {
        throw config::Errors({config::Error(files.where, "tls: {}", error.what()).what()});
    }
}

} // namespace nbdmpathd
