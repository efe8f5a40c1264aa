// SPDX-License-Identifier: BSD-3-Clause
#include "config/listen_section.hpp"

#include "base/text.hpp"
#include "config/later_keys.hpp"

#include <arpa/inet.h>
#include <map>
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
            refuse_later_keys(section, name_, reading_);
            section.finish();
        }
    }

private:
    void read_item(Section &section, std::vector<Listener> &listeners) {
        const Node *unix_node = section.find("unix");
        const Node *tcp = section.find("tcp");
        const Node *mode = section.find("mode");
        if ((unix_node != nullptr) == (tcp != nullptr)) {
            // What is no mapping has been reported already.
            if (section.node().kind == Node::Kind::mapping || section.node().kind == Node::Kind::empty)
                reading_.problem(section.node(), "{}: an entry needs either 'unix' or 'tcp'", name_);
            return;
        }
        Listener listener;
        listener.where = reading_.where(tcp != nullptr ? *tcp : *unix_node);
        listener.mode = default_mode_;
        const bool valid = tcp != nullptr ? read_tcp(section, listener) : read_unix(section, listener);
        if (mode != nullptr && tcp != nullptr)
            reading_.problem(*mode, "mode: belongs to a unix socket");
        else if (mode != nullptr)
            read_mode(section, *mode, listener);
        if (valid)
            listeners.push_back(std::move(listener));
    }

    bool read_tcp(Section &section, Listener &listener) {
        const std::optional<std::string> text = section.text("tcp");
        if (!text)
            return false;
        try {
            parse_tcp(*text, listener);
        } catch (const base::Error &error) {
            reading_.problem(*section.find("tcp"), "tcp: {}", error.what());
            return false;
        }
        if (loopback_only_ && !is_loopback(listener.address)) {
            reading_.problem(*section.find("tcp"),
                             "tcp: {} listens on loopback only (example: 127.0.0.1:10810)", name_);
            return false;
        }
        return true;
    }

    bool read_unix(Section &section, Listener &listener) {
        const std::optional<std::string> text = section.text("unix");
        if (!text)
            return false;
        listener.unix_path = *text;
        if (!text->empty() && text->size() <= longest_unix_path && text->find('\0') == std::string::npos)
            return true;
        reading_.problem(*section.find("unix"), "unix: a socket's path has 1 to {} bytes", longest_unix_path);
        return false;
    }

    void read_mode(Section &section, const Node &node, Listener &listener) {
        try {
            if (const auto text = section.text("mode"))
                listener.mode = parse_mode(*text);
        } catch (const base::Error &error) {
            reading_.problem(node, "mode: {}", error.what());
        }
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
