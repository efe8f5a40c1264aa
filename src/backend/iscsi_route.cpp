// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_route.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace backend {

namespace {

constexpr std::size_t most_redirects = 3;
constexpr std::size_t most_addresses = 4;          // of one host
constexpr std::size_t longest_address = 254;       // what libiscsi has not cut off
constexpr std::string_view moved = "Target moved"; // libiscsi has a status for one of the ways to say it only

bool may_be_in_address(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-_:[]%,").find(c) != std::string_view::npos;
}

} // namespace

std::string redirect_of(iscsi_context *context, int status) {
    if (status == SCSI_STATUS_GOOD)
        return {};
    const char *why = iscsi_get_error(context);
    const bool is_redirect = status == SCSI_STATUS_REDIRECT ||
                             (why != nullptr && std::string_view(why).find(moved) != std::string_view::npos);
    return is_redirect ? iscsi_get_target_address(context) : "";
}

IscsiUri parse_target_address(std::string_view text) {
    if (text.size() > longest_address || !std::ranges::all_of(text, may_be_in_address))
        throw base::Error(EINVAL, "the target sends us to something that is not an address");
    try {
        const std::size_t comma = text.find(',');
        if (comma != std::string_view::npos && !base::parse_number(text.substr(comma + 1)))
            throw base::Error(EINVAL, "expected the number of a portal group after the ','");
        return parse_iscsi_address(text.substr(0, comma));
    } catch (const base::Error &error) {
        throw base::Error(EINVAL, "the target sends us to '{}': {}", text, error.what());
    }
}

void IscsiRoute::begin(const std::vector<std::string> &portals) {
    *this = {};
    for (auto portal = portals.rbegin(); portal != portals.rend(); ++portal)
        ways_.push_back({{}, *portal});
}

bool IscsiRoute::next() {
    if (ways_.empty())
        return false;
    before_ = std::move(ways_.back().before);
    portal_ = std::move(ways_.back().portal);
    ways_.pop_back();
    ++tried_;
    return true;
}

void IscsiRoute::follow(std::span<const std::string> portals) {
    std::vector<std::string> before = before_;
    before.push_back(portal_);
    const auto was_there = [&before](const std::string &portal) {
        return std::ranges::find(before, portal) != before.end();
    };
    portals = portals.first(std::min(portals.size(), most_addresses));
    if (std::ranges::all_of(portals, was_there))
        throw base::Error(ELOOP, "the target sends us back to {}", fmt::join(portals, " and "));
    if (before.size() > most_redirects)
        throw base::Error(ELOOP, "the target sends us on once more, to {}", fmt::join(portals, " and "));
    for (auto portal = portals.rbegin(); portal != portals.rend(); ++portal)
        if (!was_there(*portal))
            ways_.push_back({before, *portal});
}

std::string IscsiRoute::text() const {
    return before_.empty() ? portal_ : fmt::format("{} -> {}", fmt::join(before_, " -> "), portal_);
}

std::span<const std::string> IscsiRoute::silent() const noexcept {
    return ways_.empty() && silent_.size() == tried_ ? std::span<const std::string>(silent_)
                                                     : std::span<const std::string>();
}

} // namespace backend
