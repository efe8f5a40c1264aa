// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/path_set.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "daemon/no_device.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace nbdmpathd {

namespace {
constexpr std::size_t longest_quote = 127;
}

PathSet::PathSet(io::Worker &worker, const MapPlan &plan, health::PathKeeper &keeper)
    : worker_(worker)
    , plan_(plan)
    , keeper_(keeper)
    , burial_(base::Delegate<>::to<&PathSet::bury>(*this)) {}

PathSet::~PathSet() { assert(open_.empty() && closing_.empty()); }

const PathSet::OwnPath *PathSet::find_open(std::string_view name) const noexcept {
    const auto found = std::ranges::find(open_, name, &OwnPath::name);
    return found == open_.end() ? nullptr : &*found;
}

const backend::FaultBackend *PathSet::find_backend(std::string_view name) const noexcept {
    const OwnPath *path = find_open(name);
    return path == nullptr ? nullptr : path->backend.get();
}

block::ScsiPort *PathSet::scsi(std::string_view name) const noexcept {
    const OwnPath *path = find_open(name);
    return path == nullptr ? nullptr : path->backend->scsi();
}

multipath::PathDevice PathSet::find(std::string_view name) {
    if (const OwnPath *path = find_open(name))
        return keeper_.judge(*path->backend);
    return {plan_.paths->contains(name) ? &no_device() : nullptr, false, false};
}

void PathSet::open(std::span<const std::string> names) {
    for (const std::string &name : names) {
        if (find_open(name) != nullptr)
            continue;
        const PathPlan &plan = plan_.paths->find(name)->second;
        auto make = [this, &plan] {
            backend::Settings settings = plan.settings;
            settings.fences = plan_.fences;
            settings.fence_timeout = plan_.fence_timeout;
            settings.independent_caches = plan_.options.independent_caches;
            settings.checks_idle = !plan_.options.rules.compat->only_requests_fail_paths;
            return plan.type->create(worker_, settings);
        };
        OwnPath &path =
            open_.emplace_back(OwnPath{*this, name, std::make_unique<backend::FaultBackend>(worker_, make)});
        for (const backend::FaultSpec &fault : plan.faults) {
            base::log::warning("{}: path {} has a fault injected: {}", plan_.name, name, fault.text);
            path.backend->add_rule(fault);
        }
        keeper_.add(name, *path.backend);
    }
}

bool PathSet::settled(std::span<const std::string> names) const {
    return std::ranges::all_of(
        names, [this](const std::string &name) { return keeper_.settled(*find_open(name)->backend); });
}

backend::FaultBackend &PathSet::require(std::string_view name) const {
    if (const OwnPath *path = find_open(name))
        return *path->backend;
    const std::string_view quote = name.substr(0, longest_quote);
    std::vector<std::string_view> names;
    for (const OwnPath &path : open_)
        names.push_back(path.name);
    const std::string_view nearest = base::nearest_word(quote, names);
    throw base::Error(EINVAL, "map {} has no path '{}'{}", plan_.name, quote,
                      nearest.empty() ? "; 'deps' lists them" : fmt::format("; did you mean '{}'?", nearest));
}

std::vector<const backend::Backend *> PathSet::backends(std::span<const std::string> names) const {
    std::vector<const backend::Backend *> result;
    for (const std::string &name : names)
        if (const OwnPath *path = find_open(name))
            result.push_back(path->backend.get());
    return result;
}

void PathSet::close(Position path) noexcept {
    closing_.splice(closing_.end(), open_, path);
    path->backend->close(base::Delegate<>::to<&OwnPath::closed>(*path));
}

void PathSet::close_all(base::Delegate<> closed) noexcept {
    closed_ = closed;
    while (!open_.empty())
        close(open_.begin());
    worker_.post(burial_);
}

void PathSet::path_closed(OwnPath &path) noexcept {
    // Later: the backend is on the stack.
    path.is_closed = true;
    worker_.post(burial_);
}

void PathSet::bury() noexcept {
    for (const OwnPath &path : closing_)
        if (path.is_closed)
            keeper_.remove(*path.backend);
    closing_.remove_if([](const OwnPath &path) { return path.is_closed; });
    if (closed_ && closing_.empty())
        std::exchange(closed_, base::Delegate<>{})();
}

} // namespace nbdmpathd
