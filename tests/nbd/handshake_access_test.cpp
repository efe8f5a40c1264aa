// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/handshake_client.hpp"

using namespace handshake_test;

TEST_CASE("an export that is not for the client is neither listed nor opened") {
    Client client;
    client.visitor.closed = "disk";
    const auto replies = client.ask(Option::list);
    REQUIRE(replies.size() == 2);
    CHECK(replies[0].data.size() == 4 + 4);
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::policy);
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::policy);
    CHECK(client.verdict == Verdict::more);
    CHECK(client.feed(option(Option::export_name, text("disk"))) == Verdict::hang_up);
    CHECK(client.visitor.entered.empty());
}

TEST_CASE("an export that is not listed can be opened") {
    Client client;
    client.exports.add({.name = "hidden", .geometry = {.size = 1 << 20}, .policy = {.listed = false}});
    CHECK(client.ask(Option::list).size() == 3);
    CHECK(client.last(Option::go, info_data("hidden")) == OptionReply::ack);
    CHECK(client.verdict == Verdict::transmission);
}

TEST_CASE("only GO and EXPORT_NAME take a place") {
    Client client;
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
    CHECK(client.visitor.entered.empty());
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::ack);
    CHECK(client.visitor.entered == std::vector<std::string>{"disk"});
    Client old;
    CHECK(old.feed(option(Option::export_name, text("disk"))) == Verdict::transmission);
    CHECK(old.visitor.entered == std::vector<std::string>{"disk"});
}

TEST_CASE("a full export is refused with the reason, and negotiation goes on") {
    Client client;
    client.visitor.full = "no place";
    const auto replies = client.ask(Option::go, info_data("disk", {1, 3}));
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].type == OptionReply::policy);
    CHECK(replies[0].data == text("no place"));
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
    client.visitor.full.clear();
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::ack);
    CHECK(Client().verdict == Verdict::more);
    Client old;
    old.visitor.full = "no place";
    CHECK(old.feed(option(Option::export_name, text("disk"))) == Verdict::hang_up);
    CHECK(old.out.empty());
}

TEST_CASE("a place that may become free is waited for") {
    Client client;
    client.visitor.full = "no place";
    client.visitor.waits = 2;
    CHECK(client.feed(option(Option::go, info_data("disk", {3}))) == Verdict::wait);
    CHECK(client.handshake.again(client.out) == Verdict::wait);
    CHECK(client.out.empty());
    client.visitor.full.clear();
    CHECK(client.handshake.again(client.out) == Verdict::transmission);
    const auto replies = client.replies(Option::go);
    REQUIRE(replies.size() == 3);
    CHECK(replies[2].type == OptionReply::ack);
}

TEST_CASE("while a place is waited for the server may shut down") {
    Client client;
    client.visitor.full = "no place";
    client.visitor.waits = 9;
    CHECK(client.feed(option(Option::go, info_data("disk"))) == Verdict::wait);
    client.handshake.shut_down();
    CHECK(client.handshake.again(client.out) == Verdict::more);
    CHECK(client.replies(Option::go).at(0).type == OptionReply::shutdown);
}
