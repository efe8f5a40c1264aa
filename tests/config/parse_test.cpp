// SPDX-License-Identifier: BSD-3-Clause
#include "config/fixture.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace config_test;

TEST_CASE("an absent key has its default") {
    const config::Config config = parse(with_listen(""));
    CHECK(config.threads == 0);
    CHECK(config.shutdown_timeout == std::chrono::seconds(10));
    CHECK(config.log_level == base::log::Level::info);
    CHECK(config.limits.connections == 1024);
    CHECK(config.limits.requests_per_connection == 128);
    CHECK(config.limits.buffer_memory_bytes == 512u << 20);
    CHECK(config.limits.handshake_timeout == std::chrono::seconds(10));
    CHECK(config.admin.empty());
    CHECK(config.default_export.empty());
}

TEST_CASE("keys of the process are read") {
    const config::Config config = parse(with_listen("threads: 3\n"
                                                    "shutdown_timeout: 500ms\n"
                                                    "log: {level: debug}\n"
                                                    "limits: {connections: 5, requests_per_connection: 6, "
                                                    "buffer_memory: 64M, handshake_timeout: 3s}\n"));
    CHECK(config.threads == 3);
    CHECK(config.shutdown_timeout == std::chrono::milliseconds(500));
    CHECK(config.log_level == base::log::Level::debug);
    CHECK(config.limits.connections == 5);
    CHECK(config.limits.requests_per_connection == 6);
    CHECK(config.limits.buffer_memory_bytes == 64u << 20);
    CHECK(config.limits.handshake_timeout == std::chrono::seconds(3));
}

TEST_CASE("threads: auto is the default said aloud") {
    CHECK(parse(with_listen("threads: auto")).threads == 0);
}

TEST_CASE("all problems are reported at once, in the order of the file") {
    CHECK(errors("threads: many\nlisten:\n  - unix: /n\nlimits: {connections: 0}\nlog: {level: loud}\n") ==
          Lines{"t.yaml:1:10: threads: 'many' is not a number (example: 64)",
                "t.yaml:4:23: connections: 0 is too small, the least is 1",
                "t.yaml:5:14: level: 'loud' is not one of trace, debug, info, warning, error"});
}

TEST_CASE("an unknown key is reported with the nearest known one") {
    CHECK(errors(with_listen("thread: 2\nlimits: {connection: 1}\n")) ==
          Lines{"t.yaml:2:1: configuration: unknown key 'thread' (did you mean 'threads'?)",
                "t.yaml:3:10: limits: unknown key 'connection' (did you mean 'connections'?)"});
}

TEST_CASE("a duplicate key is a problem") {
    CHECK(errors(with_listen("threads: 1\nthreads: 2\n")) ==
          Lines{"t.yaml:3:1: configuration: duplicate 'threads' (first in line 2)"});
}

TEST_CASE("a value of the wrong kind is reported as what it is") {
    CHECK(errors(with_listen("threads: [1]\nlog: info\nshutdown_timeout: {a: 1}\nlimits: []\n")) ==
          Lines{"t.yaml:2:10: threads: expected a number (example: 64), not a list",
                "t.yaml:3:6: log: expected a mapping (key: value), not a single value",
                "t.yaml:4:19: shutdown_timeout: expected a duration (example: 10s), not a mapping",
                "t.yaml:5:9: limits: expected a mapping (key: value), not a list"});
}

TEST_CASE("a key without a value is reported at the key") {
    CHECK(errors(with_listen("threads:\nlog: {}\n")) ==
          Lines{"t.yaml:2:1: threads: expected a number (example: 64), not nothing"});
}

TEST_CASE("a section without content is empty") {
    CHECK(errors(with_listen("paths:\nmultipaths:\nlimits:\n")).empty());
}

TEST_CASE("a configuration without a socket is a problem") {
    CHECK(errors("threads: 1\n").at(0).starts_with("t.yaml:1:1: listen: at least one socket is needed"));
    CHECK(errors("threads: 1\nlisten: []\n").at(0).starts_with("t.yaml:2:9: listen: at least one socket"));
}

TEST_CASE("listen may be missing when the sockets come with the start") {
    config::Environment activated = environment();
    activated.has_sockets = true;
    CHECK(config::parse("threads: 1\n", "t.yaml", activated).listen.empty());
}

TEST_CASE("the empty export name opens the only map") {
    CHECK(parse(with_map("    table: 0 0 1 1 round-robin 0 1 0 p1\n")).default_export == "m");
}

TEST_CASE("default_export names a map") {
    CHECK(errors(with_map("    table: 0 0 1 1 round-robin 0 1 0 p1\ndefault_export: n\n")) ==
          Lines{"t.yaml:6:17: default_export: there is no map 'n' (did you mean 'm'?)"});
}

TEST_CASE("a configuration without maps is warned of") {
    CHECK(parse(with_listen("")).warnings ==
          Lines{"t.yaml:1:1: warning: no multipaths: clients find no export"});
}

TEST_CASE("a key of a later step is refused where its value would be ignored") {
    CHECK(errors(with_listen("metrics: 127.0.0.1:9808\n")) ==
          Lines{"t.yaml:2:10: metrics: not supported yet"});
}

TEST_CASE("a key of a later step is accepted with the value that changes nothing") {
    CHECK(errors("listen: [{unix: /n, tls: off}]\niscsi:\n").empty());
}

TEST_CASE("keys of TLS are checked like others") {
    CHECK(errors("listen: [{unix: /n, tls: of}]\ntls: {certificates: /k, verify_peer: 3, key: 1}\n") ==
          Lines{"t.yaml:1:26: tls: 'of' is not one of off, allow, require (did you mean 'off'?)",
                "t.yaml:2:38: verify_peer: '3' is not true or false (example: true)",
                "t.yaml:2:41: tls: unknown key 'key'"});
}

TEST_CASE("a missing file and a directory are one clear line") {
    const auto line_of = [](const std::string &file) {
        try {
            config::load(file, environment());
        } catch (const config::Errors &error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(line_of("/nonexistent.yaml") ==
          "/nonexistent.yaml:1:1: the configuration cannot be read: No such file or directory");
    CHECK(line_of("/tmp") == "/tmp:1:1: the configuration cannot be read: Is a directory");
    CHECK(line_of("/dev/null").starts_with("/dev/null:1:1: the file is empty"));
    CHECK(line_of("/dev/zero") == "/dev/zero:1:1: larger than 1 MiB");
}

TEST_CASE("a file is read as its text") {
    char name[] = "/tmp/nbdmpath-config-XXXXXX";
    const int fd = mkstemp(name);
    REQUIRE(fd >= 0);
    close(fd);
    std::ofstream(name) << with_listen("threads: 2\n");
    CHECK(config::load(name, environment()).threads == 2);
    CHECK(std::remove(name) == 0);
}

TEST_CASE("the example loads without warnings") {
    const auto source = std::filesystem::path(__FILE__).parent_path() / "../..";
    CHECK(config::load(source / "conf/nbdmpathd.yaml", environment()).warnings.empty());
}
