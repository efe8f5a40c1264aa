// SPDX-License-Identifier: BSD-3-Clause
#include "config/fixture.hpp"

using namespace config_test;

namespace {

std::string text(std::string_view tls, std::string_view mode = "require", std::string_view keys = "") {
    return fmt::format("listen: [{{tcp: :1, tls: {}}}]\n{}\npaths: {{p1: \"file:///x\"}}\nmultipaths:\n"
                       "  m:\n    table: \"0 0 1 1 round-robin 0 1 1 p1 1\"\n{}",
                       mode, tls, keys);
}
std::string problem(const std::string &configuration) {
    const Lines lines = errors(configuration);
    return lines.size() == 1 ? lines.front() : fmt::format("{} problems", lines.size());
}
bool says(const std::string &configuration, std::string_view what) {
    const std::string found = problem(configuration);
    CAPTURE(found);
    return found.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("TLS is done with certificates or with shared keys") {
    const config::Config certificates = parse(text("tls: {certificates: /pki, verify_peer: false}", "allow"));
    CHECK(certificates.tls.certificates == "/pki");
    CHECK_FALSE(certificates.tls.verify_peer);
    CHECK(certificates.listen.at(0).tls == config::Tls::allow);
    const config::Config keys = parse(text("tls: {psk: /keys}"));
    CHECK(keys.tls.psk == "/keys");
    CHECK(keys.listen.at(0).tls == config::Tls::require);
    CHECK(says(text("tls: {certificates: /pki, psk: /keys}"), "either 'certificates' or 'psk'"));
    CHECK(says(text("tls: {verify_peer: true}", "off"), "either 'certificates' or 'psk'"));
    CHECK(says(text("tls: {psk: /keys, verify_peer: true}"), "verify_peer: belongs to certificates"));
}

TEST_CASE("a socket with TLS needs something to do it with") {
    CHECK(problem(text("")) == "t.yaml:1:16: listen: TLS without 'tls' (certificates or psk)");
    CHECK(parse(text("", "off")).listen.at(0).tls == config::Tls::off);
    CHECK(errors("listen: [{tcp: :1}]\nadmin: [{unix: /a, tls: require}]\n").size() == 1);
}

TEST_CASE("an export for TLS needs a socket with TLS, and identities somebody who has one") {
    const config::Config config =
        parse(text("tls: {certificates: /pki}", "allow", "    tls_identities: [alice, \"CN=bob\"]\n"));
    CHECK(config.maps.at(0).tls_identities == std::vector<std::string>{"alice", "CN=bob"});
    CHECK(parse(text("tls: {psk: /keys}", "allow", "    tls_only: true\n")).maps.at(0).tls_only);
    CHECK(says(text("tls: {psk: /keys}", "off", "    tls_only: true\n"), "no socket of 'listen' offers it"));
    CHECK(says(text("tls: {certificates: /pki, verify_peer: no}", "allow", "    tls_identities: [a]\n"),
               "no client has an identity"));
    CHECK(says(text("tls: {psk: /keys}", "allow", "    tls_identities: []\n"), "nobody may connect"));
}
