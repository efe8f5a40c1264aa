// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_discovery.hpp"

#include "backend/iscsi_inquirer.hpp"
#include "backend/iscsi_login.hpp"
#include "backend/scsi_command.hpp"
#include "backend/scsi_unit.hpp"
#include "base/error.hpp"
#include "wire/big_endian.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <random>
#include <utility>

namespace backend {

namespace {

using Bytes = std::span<const std::byte>;
using Clock = IscsiInquirer::Clock;

constexpr std::chrono::seconds patience{5}; // with one session
constexpr std::size_t most_units = 256;     // of one target
constexpr std::uint32_t list_length = 8 + 8 * most_units;
constexpr std::uint16_t page_length = 1024;
constexpr std::uint8_t short_length = 252;

/// Everything that one portal's URI leads to.
class Search {
public:
    Search(Discovered &found, std::string initiator, Clock::time_point deadline,
           const std::atomic<bool> &wanted)
        : found_(found)
        , initiator_(std::move(initiator))
        , deadline_(deadline)
        , wanted_(wanted) {}

    void look(const IscsiUri &uri) {
        std::vector<IscsiInquirer::Target> targets;
        try {
            targets = targets_of(uri);
        } catch (const base::Error &error) {
            found_.problems.push_back(fmt::format("{}: {}", uri.portal(), error.what()));
            return;
        }
        if (targets.empty())
            found_.problems.push_back(fmt::format("{}: it names no target", uri.portal()));
        for (const IscsiInquirer::Target &target : targets)
            look_at(uri, target);
    }

private:
    [[nodiscard]] Clock::time_point limit() const { return std::min(deadline_, Clock::now() + patience); }

    std::vector<IscsiInquirer::Target> targets_of(const IscsiUri &uri) {
        try {
            return IscsiInquirer(uri.portal(), login(uri, {}), limit(), wanted_).targets();
        } catch (const base::Error &error) {
            if (uri.user.empty() || error.code() == ETIMEDOUT)
                throw;
            // Who it lets look often is another question than who it lets in.
            try {
                return IscsiInquirer(uri.portal(), login({}, {}), limit(), wanted_).targets();
            } catch (const base::Error &) {
                throw error;
            }
        }
    }

    /// A session of its own each time: nobody else's is ended by it.
    [[nodiscard]] IscsiLogin login(const IscsiUri &uri, std::string target) {
        IscsiLogin result{.initiator = initiator_,
                          .target = std::move(target),
                          .user = uri.user,
                          .secret = uri.secret,
                          .target_user = uri.target_user,
                          .target_secret = uri.target_secret};
        result.session_id = random_() & 0xffffff;
        result.session_qualifier = static_cast<std::uint16_t>(random_() & 0xffff);
        return result;
    }

    void look_at(const IscsiUri &uri, const IscsiInquirer::Target &target) {
        bool reached = false;
        for (const std::string &portal : target.portals)
            reached = reaches(uri, portal, target.name) || reached;
        // Its addresses are not ours where something translates them: then the one that was given leads
        // there.
        if (!reached)
            (void)reaches(uri, uri.portal(), target.name);
    }

    bool reaches(const IscsiUri &uri, const std::string &portal, const std::string &target) {
        const auto [place, is_new] = reached_.try_emplace({portal, target}, false);
        if (is_new)
            place->second = look(uri, portal, target);
        return place->second;
    }

    /// Whether there is a way to the target.
    bool look(const IscsiUri &uri, const std::string &portal, const std::string &target) {
        try {
            IscsiInquirer inquirer(portal, login(uri, target), limit(), wanted_);
            for (const int lun : units_in(inquirer.ask(0, scsi::report_luns(list_length)))) {
                FoundUnit &unit = found_.units.emplace_back();
                unit.portal = portal;
                unit.target = target;
                unit.lun = lun;
                unit.user = uri.user;
                unit.target_user = uri.target_user;
                describe(inquirer, unit);
            }
            return true;
        } catch (const base::Error &error) {
            found_.problems.push_back(fmt::format("{} {}: {}", portal, target, error.what()));
            return false;
        }
    }

    static void describe(IscsiInquirer &inquirer, FoundUnit &unit) {
        try {
            ScsiUnit answers;
            unit.problem = ask(inquirer, unit, answers);
            unit.facts = answers.facts;
            unit.identity = answers.identity();
            unit.size = answers.geometry.size;
            // A name that a path cannot be made of is of no use.
            (void)parse_iscsi_uri(fmt::format("iscsi://{}/{}/{}", unit.portal, unit.target, unit.lun));
        } catch (const base::Error &error) {
            unit.problem = error.what();
        }
    }

    static std::string ask(IscsiInquirer &inquirer, FoundUnit &found, ScsiUnit &unit) {
        const auto inquiry = inquirer.ask(found.lun, scsi::inquiry(false, 0, nullptr, short_length));
        if (inquiry.size() >= 32)
            found.product = scsi_text(Bytes(inquiry).subspan(8, 24));
        if (std::string problem = unit.take_inquiry(inquiry); !problem.empty())
            return problem;
        const auto page = [&](std::uint8_t number) {
            return inquirer.ask(found.lun, scsi::inquiry(true, number, nullptr, page_length));
        };
        const auto pages = page(0);
        const auto has = [&](std::uint8_t number) {
            return pages.size() > 4 &&
                   std::find(pages.begin() + 4, pages.end(), std::byte{number}) != pages.end();
        };
        if (has(0x83))
            unit.take_identification(page(0x83));
        if (has(0x80))
            unit.take_serial(page(0x80));
        const block::ScsiFacts &facts = unit.facts;
        if (facts.port_groups != 0 && facts.port_group)
            found.state = port_group_state(
                inquirer.ask(found.lun, scsi::report_target_port_groups(list_length)), *facts.port_group);
        return unit.take_capacity(inquirer.ask(found.lun, scsi::read_capacity16(nullptr, 32)));
    }

    Discovered &found_;
    const std::string initiator_;
    const Clock::time_point deadline_;
    const std::atomic<bool> &wanted_;
    std::random_device random_;
    std::map<std::pair<std::string, std::string>, bool> reached_; ///< portals and targets: looked at
};

} // namespace

std::optional<PortGroupState> port_group_state(Bytes answer, std::uint16_t group) noexcept {
    constexpr std::size_t header = 4;
    constexpr std::size_t descriptor = 8;
    if (answer.size() < header)
        return std::nullopt;
    const std::size_t end =
        std::min<std::size_t>(answer.size(), header + wire::load<std::uint32_t>(answer.data()));
    for (std::size_t at = header; at + descriptor <= end;) {
        const auto first = std::to_integer<unsigned>(answer[at]);
        if (wire::load<std::uint16_t>(answer.data() + at + 2) == group)
            return PortGroupState{static_cast<std::uint8_t>(first & 0xfU), (first & 0x80U) != 0};
        at += descriptor + std::size_t{4} * std::to_integer<unsigned>(answer[at + 7]);
    }
    return std::nullopt;
}

std::vector<int> units_in(Bytes answer) {
    constexpr std::size_t entry = 8;
    std::vector<int> units;
    if (answer.size() < entry)
        return units;
    const std::size_t end =
        std::min<std::size_t>(answer.size(), entry + wire::load<std::uint32_t>(answer.data()));
    for (std::size_t at = entry; at + entry <= end; at += entry) {
        const auto number = wire::load<std::uint16_t>(answer.data() + at);
        const unsigned method = number >> 14;
        if (method == 0 && number < 256) // peripheral, bus 0
            units.push_back(number);
        else if (method == 1) // flat
            units.push_back(number & 0x3fff);
    }
    std::ranges::sort(units);
    return units;
}

void check_portal_uri(std::string_view uri) { (void)parse_iscsi_portal(uri); }

Discovered discover_iscsi(std::span<const std::string> uris, const std::string &initiator,
                          Clock::time_point deadline, const std::atomic<bool> &wanted) {
    if (!initiator.empty())
        check_initiator_name(initiator);
    Discovered found;
    Search search(found, initiator.empty() ? default_initiator_name() : initiator, deadline, wanted);
    std::vector<IscsiUri> portals;
    for (const std::string &uri : uris)
        portals.push_back(parse_iscsi_portal(uri));
    for (const IscsiUri &portal : portals)
        search.look(portal);
    return found;
}

} // namespace backend
