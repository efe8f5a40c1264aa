// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/plan.hpp"

#include <algorithm>
#include <set>

namespace nbdmpathd {

namespace {

/// A device that takes no request: enough to have a table's text checked.
class NoDevice final : public block::Device {
public:
    void submit(block::Request &) noexcept override { assert(false); }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }

private:
    block::Geometry geometry_;
};

/// Every path of the configuration, for parsing a table without its devices.
class NamedDevices final : public multipath::DeviceSet {
public:
    explicit NamedDevices(const config::PathNames &paths)
        : paths_(paths) {}
    multipath::PathDevice find(std::string_view name) override {
        (void)paths_.require(name);
        return {&device_, true};
    }

private:
    const config::PathNames &paths_;
    NoDevice device_;
};

std::unique_ptr<multipath::Table> parse_table(const config::TableCheck &check) {
    NamedDevices devices(check.paths);
    return multipath::Table::parse(check.map.table, devices);
}

/// Design D4: whether all paths see one cache by themselves.
bool see_one_cache(const std::vector<MapPlan::PathPlan> &paths) {
    std::set<std::string> caches;
    for (const MapPlan::PathPlan &path : paths)
        caches.insert(path.type->cache_identity(path.settings.uri, path.settings.values));
    return paths.size() == 1 || (caches.size() == 1 && !caches.begin()->empty());
}

/// Several servers with caches of their own in one group would take turns in writing.
void check_cache(const config::Map &map, const multipath::Table &table, bool independent,
                 config::Problems &problems) {
    if (!independent || map.read_only)
        return;
    for (const auto &group : table.groups()) {
        std::set<std::string_view> devices;
        for (const auto &path : group->paths)
            devices.insert(path->name);
        if (devices.size() < 2)
            continue;
        problems.add(map.table_where,
                     "map {}: group {} has several paths whose servers may have caches of their own; say "
                     "'cache: shared' if "
                     "every path sees the same data at once (one server, one array, servers on one file of "
                     "one host or with "
                     "caching off), else put each path into a priority group of its own",
                     map.name, group->number);
        return;
    }
}

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

MapPlan plan_map(const config::Map &map, const config::Config &configuration, config::Problems &problems) {
    const config::PathNames names(configuration.paths);
    const auto table = parse_table({map, names});
    MapPlan plan;
    plan.name = map.name;
    plan.description = map.description;
    plan.table = map.table;
    std::set<std::string_view> seen;
    for (const auto &group : table->groups()) {
        for (const auto &path : group->paths) {
            if (!seen.insert(path->name).second)
                continue;
            const config::Path &found = names.require(path->name);
            plan.paths.push_back(
                {backend::find_type(found.uri), {found.name, found.uri, found.values}, faults_of(found)});
        }
    }
    plan.options.independent_caches =
        map.cache ? *map.cache == config::Cache::independent : !see_one_cache(plan.paths);
    plan.options.no_path_timeout = map.no_path_timeout;
    plan.options.verify_eio = map.eio == config::Eio::verify;
    plan.expected.size = map.size_bytes;
    plan.expected.read_only = map.read_only;
    plan.expected.reinstate = map.reinstate == config::Reinstate::automatic;
    plan.buffer_memory = configuration.limits.buffer_memory_bytes / configuration.maps.size();
    plan.limits.requests_per_connection = configuration.limits.requests_per_connection;
    plan.policy = plan_policy(map);
    check_cache(map, *table, plan.options.independent_caches, problems);
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

std::vector<MapPlan> plan_maps(const config::Config &configuration) {
    config::Problems problems;
    std::vector<MapPlan> plans;
    for (const config::Map &map : configuration.maps)
        plans.push_back(plan_map(map, configuration, problems));
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
