// SPDX-License-Identifier: BSD-3-Clause
#include "config/fixture.hpp"

using namespace config_test;

namespace {

std::vector<config::Listener> listeners(std::string_view items) {
    return parse(fmt::format("listen: [{}]\n", items)).listen;
}
std::string error_of(std::string_view item) {
    const Lines lines = errors(fmt::format("listen: [{{{}}}]\n", item));
    return lines.empty() ? std::string() : lines.front();
}

} // namespace

TEST_CASE("a unix socket has a path and a mode") {
    const auto sockets = listeners("{unix: /run/n.sock}, {unix: /run/m.sock, mode: \"0600\"}");
    CHECK(sockets.at(0).is_unix());
    CHECK(sockets.at(0).unix_path == "/run/n.sock");
    CHECK(sockets.at(0).mode == 0660);
    CHECK(sockets.at(1).mode == 0600);
}

TEST_CASE("a TCP address is IPv4, IPv6 in brackets, or every address") {
    const auto sockets = listeners("{tcp: 127.0.0.1:10809}, {tcp: \"[::1]:10810\"}, {tcp: :10811}");
    CHECK_FALSE(sockets.at(0).is_unix());
    CHECK(sockets.at(0).address == "127.0.0.1");
    CHECK(sockets.at(0).port == 10809);
    CHECK(sockets.at(1).address == "::1");
    CHECK(sockets.at(1).port == 10810);
    CHECK(sockets.at(2).address == "");
    CHECK(sockets.at(2).port == 10811);
}

TEST_CASE("a listener is shown as the user writes it") {
    const auto sockets = listeners("{tcp: 127.0.0.1:1}, {tcp: \"[0::1]:2\"}, {tcp: :3}, {unix: /x}");
    CHECK(sockets.at(0).text() == "127.0.0.1:1");
    CHECK(sockets.at(1).text() == "[::1]:2");
    CHECK(sockets.at(2).text() == ":3");
    CHECK(sockets.at(3).text() == "/x");
}

TEST_CASE("a listener knows its place") {
    const config::Where where = listeners("{tcp: 127.0.0.1:1}").at(0).where;
    CHECK(config::to_string(where) == "t.yaml:1:16");
}

TEST_CASE("a wrong TCP address is reported with right ones") {
    CHECK(error_of("tcp: localhost") ==
          "t.yaml:1:16: tcp: 'localhost' has no port (example: 127.0.0.1:10809, [::1]:10809, :10809)");
    CHECK(error_of("tcp: localhost:1").find("'localhost' is not an IP address") != std::string::npos);
    CHECK(error_of("tcp: \"::1:10809\"").find("'::1' is not an IP address") != std::string::npos);
    CHECK(error_of("tcp: \"[]:10809\"").find("'' is not an IP address") != std::string::npos);
    for (const char *port : {"0", "65536", "-1", "x", ""})
        CHECK(error_of(fmt::format("tcp: \"127.0.0.1:{}\"", port)).find("is not a port from 1 to 65535") !=
              std::string::npos);
}

TEST_CASE("a wrong unix socket is reported") {
    CHECK(error_of("unix: \"\"") == "t.yaml:1:17: unix: a socket's path has 1 to 107 bytes");
    CHECK(error_of("unix: /" + std::string(107, 'x')) ==
          "t.yaml:1:17: unix: a socket's path has 1 to 107 bytes");
    CHECK(error_of("unix: /x, mode: 888") ==
          "t.yaml:1:27: mode: '888' is not a file mode (example: \"0660\")");
    CHECK(error_of("unix: /x, mode: 07777") ==
          "t.yaml:1:27: mode: '07777' is not a file mode (example: \"0660\")");
}

TEST_CASE("an abstract unix socket begins with @ and has no file") {
    const auto sockets = listeners("{unix: \"@name\"}");
    CHECK(sockets.at(0).is_unix());
    CHECK(sockets.at(0).unix_path == "@name");
    CHECK(error_of("unix: \"@name\", mode: \"0660\"") == "t.yaml:1:32: mode: an abstract socket has no file");
}

TEST_CASE("a unix socket's file has an owner and a group, by name or number") {
    const auto sockets = listeners("{unix: /x, owner: root, group: 123}, {unix: /y}");
    CHECK(sockets.at(0).owner == 0);
    CHECK(sockets.at(0).group == 123);
    CHECK_FALSE(sockets.at(1).owner);
    CHECK_FALSE(sockets.at(1).group);
    CHECK(error_of("unix: /x, owner: no-such-user") == "t.yaml:1:28: owner: there is no user 'no-such-user'");
    CHECK(error_of("unix: /x, group: no-such-group") ==
          "t.yaml:1:28: group: there is no group 'no-such-group'");
    CHECK(error_of("tcp: :1, group: root") == "t.yaml:1:27: group: belongs to a unix socket");
}

TEST_CASE("vsock has a port and perhaps a CID") {
    const auto sockets = listeners("{vsock: 10809}, {vsock: \"2:4294967294\"}");
    CHECK(sockets.at(0).kind == config::Listener::Kind::vsock);
    CHECK_FALSE(sockets.at(0).cid);
    CHECK(sockets.at(0).port == 10809);
    CHECK(sockets.at(0).text() == "vsock:10809");
    CHECK(sockets.at(1).cid == 2);
    CHECK(sockets.at(1).port == 4294967294);
    CHECK(sockets.at(1).text() == "vsock:2:4294967294");
    for (const char *wrong : {"x", "\"1:\"", "\":1\"", "4294967295", "\"1:2:3\"", "-1"})
        CHECK(error_of(fmt::format("vsock: {}", wrong)).find("is neither a port nor CID:PORT") !=
              std::string::npos);
    CHECK(errors("listen: [{tcp: :1}]\nadmin: [{vsock: 1}]\n").size() == 1);
}

TEST_CASE("an entry is one of unix, tcp and vsock") {
    CHECK(error_of("unix: /x, tcp: :1") ==
          "t.yaml:1:10: listen: an entry needs one of 'unix', 'tcp' and 'vsock'");
    CHECK(error_of("") == "t.yaml:1:10: listen: an entry needs one of 'unix', 'tcp' and 'vsock'");
    CHECK(error_of("tcp: :1, mode: \"0660\"") == "t.yaml:1:26: mode: belongs to a unix socket");
    CHECK(errors("listen: [/x]") ==
          Lines{"t.yaml:1:10: listen: expected a mapping (key: value), not a single value"});
    CHECK(errors("listen: /x") == Lines{"t.yaml:1:9: listen: expected a list (- item), not a single value"});
}

TEST_CASE("an address is listened on once, whatever its spelling") {
    CHECK(
        errors(
            "listen:\n  - tcp: \"[::1]:5\"\n  - tcp: \"[0:0::1]:5\"\nadmin:\n  - unix: /x\n  - unix: /x\n") ==
        Lines{"t.yaml:3:10: '[::1]:5' is listened on already (line 2)",
              "t.yaml:6:11: '/x' is listened on already (line 5)"});
}

TEST_CASE("admin is private and on loopback only") {
    const auto admin =
        parse("listen: [{unix: /n}]\nadmin: [{unix: /a}, {tcp: 127.0.0.1:1}, {tcp: \"[::1]:1\"}]\n").admin;
    CHECK(admin.size() == 3);
    CHECK(admin.at(0).mode == 0600);
    for (const char *address : {":1", "10.0.0.1:1", "[::]:1"})
        CHECK(errors(fmt::format("listen: [{{unix: /n}}]\nadmin: [{{tcp: \"{}\"}}]\n", address)) ==
              Lines{"t.yaml:2:15: tcp: admin listens on loopback only (example: 127.0.0.1:10810)"});
}
