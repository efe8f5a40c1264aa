// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_uri.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <fmt/format.h>
#include <optional>
#include <sys/un.h>

namespace backend {

namespace {

constexpr std::size_t longest_name = 4096; // NBD's limit for every string
constexpr std::size_t longest_socket = sizeof(sockaddr_un::sun_path) - 1;

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9')
        return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string decode(std::string_view uri, std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            throw base::Error(EINVAL, "'{}': after '%' come two hexadecimal digits (a '%' itself is %25)",
                              uri);
        result += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (result.find('\0') != std::string::npos)
        throw base::Error(EINVAL, "'{}': %00 is not possible in a name", uri);
    return result;
}

/// Cuts `text` at the first `mark`; what follows the mark, or nothing when there is none.
std::optional<std::string_view> cut(std::string_view &text, char mark) noexcept {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos)
        return std::nullopt;
    const std::string_view rest = text.substr(at + 1);
    text = text.substr(0, at);
    return rest;
}

void check_port(std::string_view uri, std::string_view port) {
    const std::optional<std::uint64_t> number = base::parse_number(port);
    if (!number || *number < 1 || *number > 65535)
        throw base::Error(EINVAL, "'{}': '{}' is not a port (1 to 65535)", uri, port);
}

void read_authority(std::string_view uri, std::string_view authority, NbdUri &result) {
    std::optional<std::string_view> port;
    if (authority.starts_with('[')) {
        const std::optional<std::string_view> rest = cut(authority, ']');
        if (!rest || (!rest->empty() && !rest->starts_with(':')) || authority.size() == 1)
            throw base::Error(EINVAL, "'{}': expected [IPv6 address] or [IPv6 address]:port", uri);
        authority.remove_prefix(1);
        if (!rest->empty())
            port = rest->substr(1);
    } else {
        port = cut(authority, ':');
    }
    result.host = authority.empty() ? "localhost" : decode(uri, authority);
    if (port && !port->empty()) {
        check_port(uri, *port);
        result.port = *port;
    }
}

/// `alice@`, in front of the host.
void read_user(std::string_view uri, std::string_view &authority, NbdUri &result) {
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos)
        return;
    if (!result.tls)
        throw base::Error(EINVAL, "'{}': a user name is not possible without TLS", uri);
    if (!result.tls->user.empty())
        throw base::Error(EINVAL, "'{}': the user is given twice", uri);
    result.tls->user = decode(uri, authority.substr(0, at));
    authority.remove_prefix(at + 1);
}

bool read_truth(std::string_view uri, std::string_view name, const std::string &text) {
    if (text == "true" || text == "1")
        return true;
    if (text == "false" || text == "0")
        return false;
    throw base::Error(EINVAL, "'{}': '{}' is true or false", uri, name);
}

void read_parameter(std::string_view uri, std::string_view name, std::string value, NbdUri &result) {
    const auto once = [&](std::string &target) {
        if (!target.empty())
            throw base::Error(EINVAL, "'{}': '{}' is given twice", uri, name);
        if (value.empty() && name != "socket") // which is missed later, with an example
            throw base::Error(EINVAL, "'{}': '{}' needs a value", uri, name);
        target = std::move(value);
    };
    if (name.starts_with("tls-") && !result.tls)
        throw base::Error(EINVAL, "'{}': '{}' belongs to nbds:// and nbds+unix://", uri, name);
    if (name == "socket")
        once(result.socket);
    else if (name == "tls-certificates")
        once(result.tls->certificates);
    else if (name == "tls-psk-file")
        once(result.tls->psk_file);
    else if (name == "tls-username")
        once(result.tls->user);
    else if (name == "tls-verify-peer")
        result.tls->verify_peer = read_truth(uri, name, value);
    else
        throw base::Error(EINVAL, "'{}': unknown parameter '{}'", uri, name);
}

void read_query(std::string_view uri, std::string_view query, bool is_unix, NbdUri &result) {
    while (!query.empty()) {
        std::string_view name = query;
        const std::optional<std::string_view> rest = cut(name, '&');
        query = rest.value_or(std::string_view{});
        const std::optional<std::string_view> value = cut(name, '=');
        if (name == "socket" && !is_unix)
            throw base::Error(EINVAL, "'{}': 'socket' belongs to nbd+unix://", uri);
        read_parameter(uri, name, decode(uri, value.value_or(std::string_view{})), result);
    }
    // Without either, libnbd would take what it finds in places of its own, or trust anybody.
    if (result.tls && result.tls->certificates.empty() == result.tls->psk_file.empty())
        throw base::Error(EINVAL, "'{}': either tls-certificates=DIRECTORY or tls-psk-file=FILE is needed",
                          uri);
}

void check_unix(std::string_view uri, std::string_view authority, const NbdUri &result) {
    if (!authority.empty())
        throw base::Error(EINVAL, "'{}': nbd+unix has no host (write nbd+unix:///export?socket=/path)", uri);
    if (result.socket.empty())
        throw base::Error(EINVAL, "'{}': no socket (write nbd+unix:///export?socket=/path)", uri);
    if (result.socket.size() > longest_socket)
        throw base::Error(EINVAL, "'{}': the socket's path is longer than {} bytes", uri, longest_socket);
}

} // namespace

std::string NbdUri::server() const {
    if (is_unix())
        return "unix:" + socket;
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

NbdUri parse_nbd_uri(std::string_view uri) {
    const std::size_t colon = uri.find("://");
    if (colon == std::string_view::npos)
        throw base::Error(EINVAL, "'{}' is not a URI (example: nbd://host/export)", uri);
    const std::string_view scheme = uri.substr(0, colon);
    const bool is_tls = scheme == "nbds" || scheme == "nbds+unix";
    const bool is_unix = scheme == "nbd+unix" || scheme == "nbds+unix";
    if (!is_tls && !is_unix && scheme != "nbd")
        throw base::Error(EINVAL, "'{}': the scheme is not nbd, nbds, nbd+unix or nbds+unix", uri);
    std::string_view rest = uri.substr(colon + 3);
    if (rest.find('#') != std::string_view::npos)
        throw base::Error(EINVAL, "'{}': a '#' in a name is written %23", uri);

    NbdUri result;
    if (is_tls)
        result.tls = NbdUri::Tls{};
    const std::optional<std::string_view> query = cut(rest, '?');
    const std::optional<std::string_view> path = cut(rest, '/');
    read_query(uri, query.value_or(std::string_view{}), is_unix, result);
    result.export_name = decode(uri, path.value_or(std::string_view{}));
    if (result.export_name.size() > longest_name)
        throw base::Error(EINVAL, "'{}': the export name is longer than {} bytes", uri, longest_name);
    read_user(uri, rest, result);
    if (is_unix) {
        check_unix(uri, rest, result);
    } else {
        result.port = "10809";
        read_authority(uri, rest, result);
    }
    return result;
}

} // namespace backend
