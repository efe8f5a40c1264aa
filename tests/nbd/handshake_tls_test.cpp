// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/handshake_client.hpp"

using namespace handshake_test;
using nbd::TlsMode;

namespace {

nbd::ExportInfo secret() {
    return {.name = "secret", .geometry = {.size = 1 << 20}, .policy = {.tls_only = true}};
}

} // namespace

TEST_CASE("where TLS is required nothing but STARTTLS and ABORT is answered before it") {
    Client client(3, TlsMode::require);
    for (const Option other : {Option::list, Option::info, Option::go, Option::structured_reply, Option{99}})
        CHECK(client.last(other, info_data("disk")) == OptionReply::tls_required);
    CHECK(client.last(Option::starttls, text("x")) == OptionReply::invalid);
    CHECK(client.last(Option::abort) == OptionReply::ack);
    Client old(3, TlsMode::require);
    CHECK(old.feed(option(Option::export_name, text("disk"))) == Verdict::hang_up);
    CHECK(old.out.empty());
}

TEST_CASE("a client without fixed newstyle gets no TLS, and so nothing where it is required") {
    Client client(0, TlsMode::require);
    CHECK(client.feed(option(Option::starttls)) == Verdict::hang_up);
    Client other(0, TlsMode::require);
    CHECK(other.feed(option(Option::export_name, text("disk"))) == Verdict::hang_up);
}

TEST_CASE("inside TLS everything is as usual, but STARTTLS is over") {
    Client client(3, TlsMode::require);
    CHECK(client.last(Option::starttls) == OptionReply::ack);
    CHECK(client.verdict == Verdict::start_tls);
    client.handshake.tls_is_up();
    CHECK(client.last(Option::starttls) == OptionReply::invalid);
    CHECK(client.last(Option::list) == OptionReply::ack);
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::ack);
    CHECK(client.verdict == Verdict::transmission);
}

TEST_CASE("what was agreed before TLS is forgotten") {
    Client client(3, TlsMode::allow);
    CHECK(client.last(Option::structured_reply) == OptionReply::ack);
    CHECK(client.last(Option::starttls) == OptionReply::ack);
    client.handshake.tls_is_up();
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::ack);
    CHECK(client.handshake.result().agreement.dialect == wire::Dialect::simple);
}

TEST_CASE("an export that needs TLS is as unknown as one that does not exist") {
    Client client(3, TlsMode::allow);
    client.exports.add(secret());
    CHECK(client.ask(Option::list).size() == 3);
    CHECK(client.last(Option::info, info_data("secret")) == OptionReply::tls_required);
    CHECK(client.last(Option::info, info_data("nonsense")) == OptionReply::tls_required);
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
    CHECK(client.last(Option::starttls) == OptionReply::ack);
    client.handshake.tls_is_up();
    CHECK(client.ask(Option::list).size() == 4);
    CHECK(client.last(Option::info, info_data("nonsense")) == OptionReply::unknown);
    CHECK(client.last(Option::go, info_data("secret")) == OptionReply::ack);
}

TEST_CASE("where TLS is off it is never asked for") {
    Client client;
    client.exports.add(secret());
    CHECK(client.ask(Option::list).size() == 3);
    CHECK(client.last(Option::go, info_data("secret")) == OptionReply::unknown);
    CHECK(client.last(Option::starttls) == OptionReply::policy);
    CHECK(client.feed(option(Option::export_name, text("secret"))) == Verdict::hang_up);
}
