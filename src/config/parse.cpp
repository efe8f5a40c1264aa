// SPDX-License-Identifier: BSD-3-Clause
#include "config/parse.hpp"

#include "config/later_keys.hpp"
#include "config/listen_section.hpp"
#include "config/map_section.hpp"
#include "config/path_section.hpp"
#include "config/tls_section.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

namespace config {

namespace {

// One byte more than a document may have, so that Document can say it is too large.
constexpr std::size_t most_read = (1 << 20) + 1;
constexpr Range thread_counts{1, 256};
constexpr Range connection_counts{1, 1'000'000};
constexpr Range request_counts{1, 65'536};
constexpr Range buffer_sizes{1 << 20, std::uint64_t{1} << 44};

void read_process(Section &configuration, const Reading &reading, Config &config) {
    const Node *threads = configuration.find("threads");
    if (threads != nullptr && threads->text != "auto")
        config.threads = configuration.number("threads", thread_counts).value_or(0);
    config.shutdown_timeout = configuration.duration("shutdown_timeout").value_or(config.shutdown_timeout);
    if (const Node *node = configuration.find("log")) {
        Section log(*node, "log", reading);
        if (const auto level = log.choice("level", {"trace", "debug", "info", "warning", "error"}))
            base::log::parse_level(*level, config.log_level);
        log.finish();
    }
}

void read_limits(const Node &node, const Reading &reading, Limits &limits) {
    Section section(node, "limits", reading);
    limits.connections = section.number("connections", connection_counts).value_or(limits.connections);
    limits.requests_per_connection =
        section.number("requests_per_connection", request_counts).value_or(limits.requests_per_connection);
    limits.buffer_memory_bytes =
        section.size("buffer_memory", buffer_sizes).value_or(limits.buffer_memory_bytes);
    limits.handshake_timeout = section.duration("handshake_timeout").value_or(limits.handshake_timeout);
    if (limits.handshake_timeout.count() == 0)
        reading.problem(*section.find("handshake_timeout"),
                        "handshake_timeout: must be more than 0 (example: 10s)");
    section.finish();
}

void read_default_export(Section &configuration, const Reading &reading, Config &config) {
    const std::optional<std::string> name = configuration.text("default_export");
    if (!name && configuration.find("default_export") == nullptr && config.maps.size() == 1)
        config.default_export = config.maps.front().name;
    if (!name)
        return;
    std::vector<std::string_view> names;
    for (const Map &map : config.maps)
        names.push_back(map.name);
    if (std::ranges::find(names, *name) == names.end())
        reading.problem(*configuration.find("default_export"), "default_export: there is no map '{}'{}",
                        shown(*name), hint(*name, names));
    config.default_export = *name;
}

/// What is the same for all iSCSI paths that do not say otherwise.
base::KeyValues read_iscsi(Section &configuration, const Reading &reading, Config &config) {
    base::KeyValues defaults;
    if (const Node *node = configuration.find("iscsi")) {
        Section section(*node, "iscsi", reading);
        if (const std::optional<std::string> name = section.text("initiator_name"))
            defaults.set("initiator_name", config.initiator_name = *name);
        section.finish();
    }
    return defaults;
}

void read_configuration(Section &configuration, const Environment &environment, const Reading &reading,
                        Config &config) {
    read_process(configuration, reading, config);
    read_listeners(configuration, reading, config);
    if (const Node *node = configuration.find("tls"))
        read_tls(*node, reading, config.tls);
    if (const Node *node = configuration.find("limits"))
        read_limits(*node, reading, config.limits);
    const base::KeyValues path_defaults = read_iscsi(configuration, reading, config);
    if (const Node *node = configuration.find("paths"))
        config.paths = read_paths(*node, environment, path_defaults, reading);
    if (const Node *node = configuration.find("multipaths"))
        read_maps(*node, environment, reading, config);
    read_default_export(configuration, reading, config);
    check_tls(reading, config);
    refuse_later_keys(configuration, "configuration", reading);
    configuration.finish();
}

void check_whole(Section &configuration, const Environment &environment, const Reading &reading,
                 Config &config) {
    const Node *listen = configuration.find("listen");
    const bool none = listen == nullptr || (listen->items.empty() && listen->kind != Node::Kind::scalar);
    if (none && !environment.has_sockets)
        reading.problem(
            listen != nullptr ? *listen : configuration.node(),
            "listen: at least one socket is needed (example: listen: [{{unix: /run/nbdmpath/nbd.sock}}])");
    if (config.maps.empty())
        config.warnings.push_back(
            warning(reading.where(configuration.node()), "no multipaths: clients find no export"));
}

struct Descriptor {
    int fd;
    ~Descriptor() { ::close(fd); }
};

[[noreturn]] void throw_unreadable(const std::string &file_name, int code) {
    const Error problem(Where{file_name}, "the configuration cannot be read: {}", base::errno_text(code));
    throw Errors({problem.what()});
}

std::string read_file(const std::string &file_name) {
    const Descriptor file{::open(file_name.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.fd < 0)
        throw_unreadable(file_name, errno);
    std::string text;
    while (text.size() < most_read) {
        char block[65536];
        const ssize_t got = ::read(file.fd, block, std::min(sizeof block, most_read - text.size()));
        if (got < 0 && errno != EINTR)
            throw_unreadable(file_name, errno);
        if (got == 0)
            break;
        if (got > 0)
            text.append(block, static_cast<std::size_t>(got));
    }
    return text;
}

} // namespace

std::string warning(const Where &where, std::string_view text) {
    return fmt::format("{}: warning: {}", to_string(where), text);
}

Config parse(std::string_view text, const std::string &file_name, const Environment &environment) {
    Config config;
    config.file = file_name;
    Problems problems;
    try {
        const Document document(text, file_name);
        const Reading reading{file_name, problems};
        Section configuration(document.root(), "configuration", reading);
        if (document.root().kind == Node::Kind::mapping) {
            read_configuration(configuration, environment, reading, config);
            check_whole(configuration, environment, reading, config);
        }
    } catch (const Error &error) {
        problems.add(error);
    }
    problems.throw_if_any();
    return config;
}

Config load(const std::string &file_name, const Environment &environment) {
    return parse(read_file(file_name), file_name, environment);
}

} // namespace config
