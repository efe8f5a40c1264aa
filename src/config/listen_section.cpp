// SPDX-License-Identifier: BSD-3-Clause
#include "config/listen_section.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <grp.h>
#include <limits>
#include <map>
#include <pwd.h>
#include <sys/un.h>

namespace config {

namespace {

constexpr std::string_view tcp_example = "(example: 127.0.0.1:10809, [::1]:10809, :10809)";
constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

/// The address as the system writes it, so that two spellings of one are found; nothing when it is none.
std::optional<std::string> canonical_address(const std::string &address, bool v6) {
    // A link-local address names its interface: fe80::1%eth0.
    const std::size_t zone = v6 ? std::min(address.find('%'), address.size()) : address.size();
    in6_addr bytes{};
    char text[INET6_ADDRSTRLEN];
    const int family = v6 ? AF_INET6 : AF_INET;
    if (inet_pton(family, address.substr(0, zone).c_str(), &bytes) != 1)
        return std::nullopt;
    return inet_ntop(family, &bytes, text, sizeof text) + address.substr(zone);
}

/// Throws base::Error.
void parse_tcp(std::string_view text, Listener &listener) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos)
        throw base::Error(EINVAL, "'{}' has no port {}", shown(text), tcp_example);
    std::string address(text.substr(0, colon));
    const bool v6 = address.size() >= 2 && address.front() == '[' && address.back() == ']';
    if (v6)
        address = address.substr(1, address.size() - 2);
    if (!address.empty() || v6) {
        const std::optional<std::string> canonical = canonical_address(address, v6);
        if (!canonical)
            throw base::Error(EINVAL, "'{}' is not an IP address {}", shown(address), tcp_example);
        listener.address = *canonical;
    }
    const auto port = base::parse_number(text.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535)
        throw base::Error(EINVAL, "'{}' is not a port from 1 to 65535 {}", shown(text.substr(colon + 1)),
                          tcp_example);
    listener.port = static_cast<std::uint16_t>(*port);
}

/// A port alone or CID:PORT. Throws base::Error.
void parse_vsock(std::string_view text, Listener &listener) {
    const std::size_t colon = text.rfind(':');
    const bool has_cid = colon != std::string_view::npos;
    const auto cid = base::parse_number(has_cid ? text.substr(0, colon) : "0");
    const auto port = base::parse_number(has_cid ? text.substr(colon + 1) : text);
    // The largest number means "any", of both.
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() - 1;
    if (!cid || !port || *cid > most || *port > most)
        throw base::Error(EINVAL, "'{}' is neither a port nor CID:PORT (example: 10809, 2:10809)",
                          shown(text));
    listener.port = static_cast<std::uint32_t>(*port);
    if (has_cid)
        listener.cid = static_cast<std::uint32_t>(*cid);
}

template <typename Entry, typename Look>
std::uint32_t find_id(const std::string &text, const char *what, Look look, std::uint32_t Entry::*id) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() - 1; // beyond it: "unchanged"
    if (const auto number = base::parse_number(text); number && *number <= most)
        return static_cast<std::uint32_t>(*number);
    Entry entry{};
    Entry *found = nullptr;
    std::array<char, 16384> strings;
    if (look(text.c_str(), &entry, strings.data(), strings.size(), &found) != 0 || found == nullptr)
        throw base::Error(ENOENT, "there is no {} '{}'", what, shown(text));
    return entry.*id;
}
std::uint32_t find_user(const std::string &text) {
    return find_id<passwd>(text, "user", &::getpwnam_r, &passwd::pw_uid);
}
std::uint32_t find_group(const std::string &text) {
    return find_id<group>(text, "group", &::getgrnam_r, &group::gr_gid);
}

bool is_loopback(const std::string &address) { return address == "::1" || address.starts_with("127."); }

unsigned parse_mode(std::string_view text) {
    unsigned mode = 0;
    bool valid = !text.empty() && text.size() <= 4;
    for (const char digit : text) {
        valid = valid && digit >= '0' && digit <= '7';
        mode = mode * 8 + static_cast<unsigned>(digit - '0');
    }
    if (!valid || mode > 0777)
        throw base::Error(EINVAL, "'{}' is not a file mode (example: \"0660\")", shown(text));
    return mode;
}

/// One list of listeners.
class ListenSection {
public:
    ListenSection(std::string_view name, unsigned default_mode, bool loopback_only, const Reading &reading)
        : name_(name)
        , default_mode_(default_mode)
        , loopback_only_(loopback_only)
        , reading_(reading) {}

    void read(const Node &node, std::vector<Listener> &listeners) {
        for (const Node *item : items_of(node, name_, reading_)) {
            Section section(*item, std::string(name_), reading_);
            read_item(section, listeners);
            section.finish();
        }
    }

private:
    void read_item(Section &section, std::vector<Listener> &listeners) {
        const Node *unix_node = section.find("unix");
        const Node *tcp_node = section.find("tcp");
        const Node *vsock_node = section.find("vsock");
        const int given = (unix_node != nullptr) + (tcp_node != nullptr) + (vsock_node != nullptr);
        if (given != 1) {
            // What is no mapping has been reported already.
            if (section.node().kind == Node::Kind::mapping || section.node().kind == Node::Kind::empty)
                reading_.problem(section.node(), "{}: an entry needs one of 'unix', 'tcp' and 'vsock'",
                                 name_);
            return;
        }
        Listener listener;
        bool valid = false;
        if (unix_node != nullptr) {
            listener.where = reading_.where(*unix_node);
            valid = read_unix(section, listener);
        } else if (tcp_node != nullptr) {
            listener.where = reading_.where(*tcp_node);
            valid = read_tcp(section, listener);
        } else {
            listener.where = reading_.where(*vsock_node);
            valid = read_vsock(section, listener);
        }
        read_file_keys(section, listener);
        if (!loopback_only_)
            read_tls(section, listener);
        if (valid)
            listeners.push_back(std::move(listener));
    }

    static void read_tls(Section &section, Listener &listener) {
        const auto mode = section.choice("tls", {"off", "allow", "require"});
        if (mode == "allow")
            listener.tls = Tls::allow;
        else if (mode == "require")
            listener.tls = Tls::require;
    }

    bool read_tcp(Section &section, Listener &listener) {
        return read_text(section, "tcp", [&](const std::string &text) {
            parse_tcp(text, listener);
            if (loopback_only_ && !is_loopback(listener.address))
                throw base::Error(EINVAL, "{} listens on loopback only (example: 127.0.0.1:10810)", name_);
        });
    }

    bool read_vsock(Section &section, Listener &listener) {
        listener.kind = Listener::Kind::vsock;
        return read_text(section, "vsock", [&](const std::string &text) {
            parse_vsock(text, listener);
            if (loopback_only_)
                throw base::Error(EINVAL, "{} listens on this machine only: unix, or tcp on loopback", name_);
        });
    }

    bool read_unix(Section &section, Listener &listener) {
        listener.kind = Listener::Kind::unix_socket;
        listener.mode = default_mode_;
        return read_text(section, "unix", [&](const std::string &text) {
            if (text.empty() || text.size() > longest_unix_path || text.find('\0') != std::string::npos)
                throw base::Error(EINVAL, "a socket's path has 1 to {} bytes", longest_unix_path);
            listener.unix_path = text;
        });
    }

    void read_file_keys(Section &section, Listener &listener) {
        const auto file_key = [&](const char *key, auto take) {
            const Node *node = section.find(key);
            if (node == nullptr)
                return;
            if (!listener.is_unix())
                reading_.problem(*node, "{}: belongs to a unix socket", key);
            else if (listener.unix_path.starts_with('@'))
                reading_.problem(*node, "{}: an abstract socket has no file", key);
            else
                read_text(section, key, take);
        };
        file_key("mode", [&](const std::string &text) { listener.mode = parse_mode(text); });
        file_key("owner", [&](const std::string &text) { listener.owner = find_user(text); });
        file_key("group", [&](const std::string &text) { listener.group = find_group(text); });
    }

    /// False when the key's text is missing or wrong; `take` throws base::Error.
    template <typename Take>
    bool read_text(Section &section, const char *key, Take take) {
        const std::optional<std::string> text = section.text(key);
        if (!text)
            return false;
        try {
            take(*text);
        } catch (const base::Error &error) {
            reading_.problem(*section.find(key), "{}: {}", key, error.what());
            return false;
        }
        return true;
    }

    std::string_view name_;
    unsigned default_mode_;
    bool loopback_only_;
    const Reading &reading_;
};

void report_duplicates(const Config &config, const Reading &reading) {
    std::map<std::string, const Listener *> seen;
    for (const auto *listeners : {&config.listen, &config.admin})
        for (const Listener &listener : *listeners)
            if (const auto [first, fresh] = seen.emplace(listener.text(), &listener); !fresh)
                reading.problems.add(listener.where, "'{}' is listened on already (line {})",
                                     shown(listener.text()), first->second->where.line);
}

} // namespace

std::string Listener::text() const {
    if (is_unix())
        return unix_path;
    if (kind == Kind::vsock)
        return cid ? fmt::format("vsock:{}:{}", *cid, port) : fmt::format("vsock:{}", port);
    const bool v6 = address.find(':') != std::string::npos;
    return v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

void read_listeners(Section &configuration, const Reading &reading, Config &config) {
    if (const Node *node = configuration.find("listen"))
        ListenSection("listen", 0660, false, reading).read(*node, config.listen);
    if (const Node *node = configuration.find("admin"))
        ListenSection("admin", 0600, true, reading).read(*node, config.admin);
    report_duplicates(config, reading);
}

} // namespace config
