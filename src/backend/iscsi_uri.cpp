// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_uri.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <optional>

namespace backend {

namespace {

constexpr std::string_view scheme = "iscsi://";
constexpr std::size_t longest_target = 223; // RFC 7143
constexpr std::size_t longest_word = 255;   // libiscsi's limit for user names and secrets
constexpr std::uint64_t greatest_lun = 16383;

[[noreturn]] void refuse(std::string_view why) { throw base::Error(EINVAL, "{}", why); }

/// Cuts `text` at the first `mark`; what follows the mark, or nothing when there is none.
std::optional<std::string_view> cut(std::string_view &text, char mark) noexcept {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos)
        return std::nullopt;
    const std::string_view rest = text.substr(at + 1);
    text = text.substr(0, at);
    return rest;
}

/// `user[%secret]@`, in front of the host.
void read_user(std::string_view &authority, IscsiUri &result) {
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos)
        return;
    std::string_view user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    result.secret = cut(user, '%').value_or(std::string_view{});
    result.user = user;
    if (user.empty())
        refuse("there is no user name before the '@'");
}

void read_host(std::string_view authority, IscsiUri &result) {
    std::optional<std::string_view> port;
    if (authority.starts_with('[')) {
        authority.remove_prefix(1);
        const std::optional<std::string_view> rest = cut(authority, ']');
        if (!rest || (!rest->empty() && !rest->starts_with(':')))
            refuse("expected [IPv6 address] or [IPv6 address]:port");
        if (!rest->empty())
            port = rest->substr(1);
    } else {
        port = cut(authority, ':');
    }
    if (authority.empty())
        refuse("there is no host");
    result.host = authority;
    result.port = port && !port->empty() ? *port : "3260";
    const std::optional<std::uint64_t> number = base::parse_number(result.port);
    if (!number || *number < 1 || *number > 65535)
        refuse(fmt::format("'{}' is not a port (1 to 65535)", result.port));
}

void read_unit(std::string_view path, IscsiUri &result) {
    const std::optional<std::string_view> lun = cut(path, '/');
    if (path.empty() || path.size() > longest_target)
        refuse("there is no target name, or it is longer than 223 bytes");
    if (!path.starts_with("iqn.") && !path.starts_with("eui.") && !path.starts_with("naa."))
        refuse(fmt::format("'{}' is not a target name (iqn., eui. or naa.)", path));
    const std::optional<std::uint64_t> number = base::parse_number(lun.value_or(std::string_view{}));
    if (!number || *number > greatest_lun)
        refuse(fmt::format("after the target's name comes the unit's number, 0 to {}", greatest_lun));
    result.target = path;
    result.lun = static_cast<int>(*number);
}

void read_query(std::string_view query, IscsiUri &result) {
    while (!query.empty()) {
        std::string_view name = query;
        query = cut(name, '&').value_or(std::string_view{});
        const std::string_view value = cut(name, '=').value_or(std::string_view{});
        std::string *place = name == "target_user"       ? &result.target_user
                             : name == "target_password" ? &result.target_secret
                                                         : nullptr;
        if (place == nullptr)
            refuse(fmt::format("unknown parameter '{}'", name));
        if (value.empty() || !place->empty())
            refuse(fmt::format("'{}' needs one value", name));
        *place = value;
    }
    if (!result.target_secret.empty() && result.target_user.empty())
        refuse("target_password needs a target_user");
    if (!result.target_user.empty() && result.user.empty())
        refuse("a target proves who it is (target_user) only to a user");
}

IscsiUri parse(std::string_view uri, bool with_unit) {
    if (!uri.starts_with(scheme))
        refuse("this is not an iSCSI URI");
    std::string_view authority = uri.substr(scheme.size());
    IscsiUri result;
    // First, because a secret may have a '/' or '?' in it.
    const std::size_t at = authority.find('@');
    const std::string_view user =
        at == std::string_view::npos ? std::string_view{} : authority.substr(0, at + 1);
    std::string_view rest = authority.substr(user.size());
    const std::optional<std::string_view> query = cut(rest, '?');
    const std::optional<std::string_view> path = cut(rest, '/');
    authority = user;
    read_user(authority, result);
    read_host(rest, result);
    if (with_unit)
        read_unit(path.value_or(std::string_view{}), result);
    else if (path && !path->empty())
        refuse("this is more than a portal");
    read_query(query.value_or(std::string_view{}), result);
    for (const std::string *word : {&result.user, &result.secret, &result.target_user, &result.target_secret})
        if (word->size() > longest_word)
            refuse(fmt::format("a user name or secret is longer than {} bytes", longest_word));
    return result;
}

IscsiUri parse(std::string_view uri, bool with_unit, std::string_view example) {
    try {
        return parse(uri, with_unit);
    } catch (const base::Error &error) {
        throw base::Error(EINVAL, "{} (example: {})", error.what(), example);
    }
}

} // namespace

std::string IscsiUri::portal() const {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

IscsiUri parse_iscsi_uri(std::string_view uri) {
    return parse(uri, true, "iscsi://host/iqn.2026-01.org.example:disk/0");
}

IscsiUri parse_iscsi_address(std::string_view text) {
    IscsiUri result;
    read_host(text, result);
    return result;
}

IscsiUri parse_iscsi_portal(std::string_view uri) { return parse(uri, false, "iscsi://192.0.2.3:3260"); }

std::string parse_numeric_portal(std::string_view text) {
    const IscsiUri portal = parse_iscsi_address(text);
    in6_addr ignored{};
    if (::inet_pton(AF_INET, portal.host.c_str(), &ignored) != 1 &&
        ::inet_pton(AF_INET6, portal.host.c_str(), &ignored) != 1)
        refuse(fmt::format("'{}' is not a numeric address (example: 192.0.2.3:3260)", portal.host));
    return portal.portal();
}

} // namespace backend
