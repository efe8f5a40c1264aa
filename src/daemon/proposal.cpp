// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/proposal.hpp"

#include "base/error.hpp"
#include "config/wwid.hpp"
#include "handler/handler.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

namespace nbdmpathd {

namespace {

using backend::FoundUnit;
using Lines = std::vector<std::string>;

std::string_view name_of(std::uint8_t state) {
    constexpr std::string_view names[] = {"active/optimized", "active/non-optimized", "standby",
                                          "unavailable", "logical block dependent"};
    return state < std::size(names) ? names[state]
           : state == 0xe           ? "offline"
           : state == 0xf           ? "transitioning"
                                    : "of unknown state";
}

std::string plain(std::string_view text) {
    std::string result(text);
    std::ranges::replace_if(
        result, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
    return result;
}

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : plain(text)) {
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result + '"';
}

std::string port_of(const FoundUnit &found) {
    const auto &group = found.facts.port_group;
    if (!group || found.facts.port_groups == 0)
        return "";
    std::string text = fmt::format(", port group {}", *group);
    if (found.state)
        text +=
            fmt::format(" {}{}", name_of(found.state->state), found.state->preferred ? ", preferred" : "");
    return text;
}

std::string described(const FoundUnit &found) {
    const std::string &identity = found.identity;
    return fmt::format("{} {} unit {}: {}, {} bytes{}{}{}", found.portal, found.target, found.lun,
                       identity.empty() ? "it has no name" : identity, found.size,
                       found.product.empty() ? "" : ", ", found.product, port_of(found));
}

/// One disk and what leads to it.
using Paths = std::vector<const FoundUnit *>;

/// Those of one name are one disk. One without a name is a disk by itself.
std::vector<Paths> disks_of(const backend::Discovered &found) {
    std::vector<Paths> disks;
    std::map<std::tuple<std::string, std::uint64_t>, std::size_t> known;
    for (const FoundUnit &unit : found.units) {
        if (!unit.problem.empty())
            continue;
        const std::string &identity = unit.identity;
        const auto [place, is_new] = known.try_emplace({identity, unit.size}, disks.size());
        if (is_new || identity.empty())
            disks.push_back({&unit});
        else
            disks[place->second].push_back(&unit);
    }
    return disks;
}

/// Those whose ports are in one group, and the best groups first: the state's code, then whether it is
/// preferred. Without port groups all are equal.
using Rank = std::tuple<unsigned, bool, unsigned>;
Rank rank_of(const FoundUnit &found) {
    if (!found.state)
        return {found.facts.port_groups == 0 ? 0U : 0x10U, false, found.facts.port_group.value_or(0)};
    return {found.state->state, !found.state->preferred, *found.facts.port_group};
}

/// "/etc/nbdmpath/alice.secret"
std::string secret_file(std::string_view user) {
    std::string name(user);
    std::ranges::replace_if(
        name,
        [](unsigned char c) {
            return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' &&
                   c != '_';
        },
        '_');
    return quoted("/etc/nbdmpath/" + name + ".secret");
}

/// A portal of the same port (SPC-4: the relative target port identifier; RFC 7143 makes a portal group one
/// port), which may have the sessions of both: the next one after `path`, so that each has its turn. Empty:
/// there is none.
std::string fence_portal(const Paths &paths, std::size_t path) {
    const FoundUnit &found = *paths[path];
    if (!found.facts.relative_port)
        return {};
    for (std::size_t i = 1; i < paths.size(); ++i) {
        const FoundUnit &other = *paths[(path + i) % paths.size()];
        if (other.facts.relative_port == found.facts.relative_port && other.target == found.target &&
            other.lun == found.lun && other.portal != found.portal)
            return other.portal;
    }
    return {};
}

std::string path_line(const std::string &name, const FoundUnit &found, const std::string &fence_portal) {
    const std::string who = found.user.empty() ? "" : found.user + "@";
    const std::string whom = found.target_user.empty() ? "" : "?target_user=" + found.target_user;
    const std::string uri =
        quoted(fmt::format("iscsi://{}{}/{}/{}{}", who, found.portal, found.target, found.lun, whom));
    std::string keys;
    if (!who.empty())
        keys += ", secret_file: " + secret_file(found.user);
    if (!whom.empty())
        keys += ", mutual_secret_file: " + secret_file(found.target_user);
    if (!fence_portal.empty())
        keys += ", fence_portal: " + quoted(fence_portal);
    return keys.empty() ? fmt::format("  {}: {}", name, uri)
                        : fmt::format("  {}: {{uri: {}{}}}", name, uri, keys);
}

bool is_good_wwid(const std::string &wwid) {
    try {
        return config::parse_wwid(wwid) == wwid;
    } catch (const base::Error &) {
        return false;
    }
}

class Proposal {
public:
    void add(const Paths &paths) {
        const std::string disk = fmt::format("disk{}", ++disks_);
        std::map<Rank, std::vector<std::string>> groups;
        bool has_port_groups = false;
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const FoundUnit &path = *paths[i];
            const std::string name = fmt::format("{}-{}", disk, i + 1);
            paths_.push_back(path_line(name, path, fence_portal(paths, i)));
            groups[rank_of(path)].push_back(name);
            has_port_groups |= path.facts.port_groups != 0;
        }
        const block::ScsiFacts &facts = paths.front()->facts;
        maps_.push_back(fmt::format("  {}:", disk));
        maps_.push_back("    description: " + quoted(paths.front()->product));
        if (is_good_wwid(facts.wwid))
            maps_.push_back("    wwid: " + quoted(facts.wwid));
        maps_.emplace_back("    queue_if_no_path: true");
        maps_.emplace_back("    no_path_timeout: 60s");
        maps_.emplace_back("    cache: shared");
        if (has_port_groups && handler::find_type("alua") != nullptr)
            maps_.emplace_back("    hardware_handler: alua");
        maps_.emplace_back("    priority_groups:");
        for (const auto &[rank, names] : groups)
            maps_.push_back(
                fmt::format("      - {{selector: service-time, paths: [{}]}}", fmt::join(names, ", ")));
    }

    [[nodiscard]] Lines lines() const {
        Lines all{"listen:", "  - unix: /run/nbdmpath/nbd.sock",
                  "admin:", "  - unix: /run/nbdmpath/admin.sock", "paths:"};
        all.insert(all.end(), paths_.begin(), paths_.end());
        all.emplace_back("multipaths:");
        all.insert(all.end(), maps_.begin(), maps_.end());
        return all;
    }

private:
    std::size_t disks_ = 0;
    Lines paths_;
    Lines maps_;
};

} // namespace

command::Outcome propose(const backend::Discovered &found) {
    command::Outcome outcome;
    std::vector<Paths> disks = disks_of(found);
    const std::string nothing = "no unit was found to make a path of";
    if (disks.empty() && found.units.empty() && !found.problems.empty()) {
        outcome.text = plain(found.problems.front());
        outcome.error = ENXIO;
    } else if (disks.empty()) {
        outcome.text = nothing;
        outcome.error = ENXIO;
    }
    Lines &lines = outcome.lines;
    for (const FoundUnit &unit : found.units)
        lines.push_back("# " + plain(unit.problem.empty()
                                         ? described(unit)
                                         : fmt::format("not used: {} {} unit {}: {}", unit.portal,
                                                       unit.target, unit.lun, unit.problem)));
    for (const std::string &problem : found.problems)
        lines.push_back("# not used: " + plain(problem));
    if (disks.empty())
        return outcome;
    Proposal proposal;
    for (const Paths &paths : disks)
        proposal.add(paths);
    const Lines text = proposal.lines();
    lines.insert(lines.end(), text.begin(), text.end());
    return outcome;
}

} // namespace nbdmpathd
