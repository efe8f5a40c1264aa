// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_uri.hpp"

#include "backend/backend.hpp"
#include "base/error.hpp"
#include "fakes/refusal.hpp"

#include <doctest/doctest.h>

using backend::NbdUri;
using backend::parse_nbd_uri;

TEST_CASE("a TCP URI names host, port and export") {
    const NbdUri uri = parse_nbd_uri("nbd://store.example:10810/disk%201/x");
    CHECK(uri.host == "store.example");
    CHECK(uri.port == "10810");
    CHECK(uri.export_name == "disk 1/x");
    CHECK(uri.server() == "store.example:10810");
    CHECK(parse_nbd_uri("nbd://host").export_name.empty());
    CHECK(parse_nbd_uri("nbd://host").port == "10809");
    CHECK(parse_nbd_uri("nbd:///x").host == "localhost");
    CHECK(parse_nbd_uri("nbd://host//x").export_name == "/x");
}

TEST_CASE("an IPv6 address stands in brackets") {
    const NbdUri uri = parse_nbd_uri("nbd://[::1]:99/name");
    CHECK(uri.host == "::1");
    CHECK(uri.port == "99");
    CHECK(uri.server() == "[::1]:99");
    CHECK(parse_nbd_uri("nbd://[fe80::1]").port == "10809");
}

TEST_CASE("a unix URI names a socket") {
    const NbdUri uri = parse_nbd_uri("nbd+unix:///disk?socket=/run/a%26b.sock");
    CHECK(uri.is_unix());
    CHECK(uri.socket == "/run/a&b.sock");
    CHECK(uri.export_name == "disk");
    CHECK(parse_nbd_uri("nbd+unix://?socket=/s").export_name.empty());
}

TEST_CASE("a TLS URI says with what") {
    const NbdUri uri = parse_nbd_uri("nbds://store/disk?tls-certificates=/etc/pki%20x&tls-verify-peer=false");
    REQUIRE(uri.tls);
    CHECK(uri.tls->certificates == "/etc/pki x");
    CHECK_FALSE(uri.tls->verify_peer);
    CHECK(uri.host == "store");
    const NbdUri keys = parse_nbd_uri("nbds+unix://alice@/disk?socket=/s&tls-psk-file=/keys");
    REQUIRE(keys.tls);
    CHECK(keys.tls->user == "alice");
    CHECK(keys.tls->psk_file == "/keys");
    CHECK(keys.tls->verify_peer);
    CHECK(keys.is_unix());
    CHECK(parse_nbd_uri("nbds://bob@[::1]:1/x?tls-psk-file=/k").tls->user == "bob");
    CHECK(parse_nbd_uri("nbds://host/x?tls-psk-file=/k&tls-username=carol").tls->user == "carol");
    CHECK_FALSE(parse_nbd_uri("nbd://host/x").tls);
}

TEST_CASE("a wrong URI is refused with its reason") {
    const auto reason = [](const std::string &uri) {
        return fakes::refusal_of([&uri] { return parse_nbd_uri(uri); });
    };
    const auto says = [&reason](const std::string &uri, const char *text) {
        CAPTURE(uri);
        CAPTURE(reason(uri));
        CHECK(reason(uri).find(text) != std::string::npos);
    };
    says("nbds://host/x", "either tls-certificates=DIRECTORY or tls-psk-file=FILE");
    says("nbds+unix:///x?socket=/s", "either tls-certificates=DIRECTORY or tls-psk-file=FILE");
    says("nbds://host/x?tls-certificates=/c&tls-psk-file=/k", "either tls-certificates");
    says("nbds://host/x?tls-certificates=", "needs a value");
    says("nbds://host/x?tls-psk-file=/a&tls-psk-file=/b", "twice");
    says("nbds://me@host/x?tls-psk-file=/a&tls-username=you", "twice");
    says("nbds://host/x?tls-certificates=/c&tls-verify-peer=perhaps", "true or false");
    says("nbds://host/x?tls-certificates=/c&tls-x=1", "unknown parameter 'tls-x'");
    says("nbds://host/x?tls-certificates=/c&socket=/s", "nbd+unix");
    says("http://host", "scheme");
    says("nbd:host", "not a URI");
    says("nbd://host:0/", "not a port");
    says("nbd://host:65536/", "not a port");
    says("nbd://host:+1/", "not a port");
    says("nbd://[::1/", "IPv6");
    says("nbd://[]/", "IPv6");
    says("nbd://[::1]9/", "IPv6");
    says("nbd://me@host/", "user name");
    says("nbd://host/a%2", "hexadecimal");
    says("nbd://host/a%zz", "hexadecimal");
    says("nbd://host/a%00b", "%00");
    says("nbd://host/a#b", "%23");
    says("nbd://host/a?x=1", "unknown parameter 'x'");
    says("nbd://host/a?socket=/s", "nbd+unix");
    says("nbd://host/a?tls-certificates=/s", "nbds");
    says("nbd+unix:///a", "no socket");
    says("nbd+unix:///a?socket=", "no socket");
    says("nbd+unix:///a?socket=/a&socket=/b", "twice");
    says("nbd+unix://host/a?socket=/a", "no host");
    says("nbd+unix:///a?socket=/" + std::string(108, 'x'), "longer");
    says("nbd://host/" + std::string(4097, 'x'), "longer");
    CHECK(reason("nbd://host/" + std::string(4096, 'x')) == "accepted");
}

TEST_CASE("every prefix of a URI is read or refused") {
    const std::string uri = "nbd+unix:///a%20b?socket=/run/%41&tls-x=[::1]:2#@";
    for (std::size_t length = 0; length <= uri.size(); ++length) {
        try {
            parse_nbd_uri(uri.substr(0, length));
        } catch (const base::Error &) {
        }
    }
}

TEST_CASE("paths of one server have one cache, whatever the export") {
    const backend::Type *type = backend::find_type("nbd://host/");
    REQUIRE(type != nullptr);
    CHECK(type->cache_identity("nbd://host/a", {}) == "nbd host:10809");
    CHECK(type->cache_identity("nbd://host:10809/b", {}) == "nbd host:10809");
    CHECK(type->cache_identity("nbd+unix:///b?socket=/nowhere/s", {}) == "nbd unix:/nowhere/s");
    CHECK(type == backend::find_type("nbds://host/"));
    CHECK_THROWS_AS(type->check_uri("nbds://host/"), base::Error);
}
