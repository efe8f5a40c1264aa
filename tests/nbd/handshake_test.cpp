// SPDX-License-Identifier: BSD-3-Clause
#include "handshake_client.hpp"

#include <random>

using namespace handshake_test;

TEST_CASE("the server greets with fixed newstyle and no zeroes") {
    const fakes::Exports exports;
    fakes::Visitor visitor;
    Bytes out;
    nbd::Handshake(exports, visitor).greet(out);
    REQUIRE(out.size() == wire::greeting_size);
    CHECK(wire::load<std::uint64_t>(out.data()) == wire::greeting_magic);
    CHECK(wire::load<std::uint16_t>(&out[16]) == 3);
}

TEST_CASE("a client flag that was not offered ends the connection") {
    CHECK(Client(7).verdict == Verdict::hang_up);
    CHECK(Client(0x80000003).verdict == Verdict::hang_up);
}

TEST_CASE("without fixed newstyle only EXPORT_NAME is taken") {
    Client listing(0);
    listing.ask(Option::list);
    CHECK(listing.verdict == Verdict::hang_up);
    CHECK(listing.out.empty());
    Client naming(0);
    naming.feed(option(Option::export_name, text("disk")));
    CHECK(naming.out.size() == 134);
}

TEST_CASE("a wrong option magic ends the connection") {
    Client client;
    Bytes bytes = option(Option::list);
    bytes[0] = std::byte{0};
    CHECK(client.feed(bytes) == Verdict::hang_up);
}

TEST_CASE("EXPORT_NAME is answered without padding when both sides agreed so") {
    Client client;
    CHECK(client.feed(option(Option::export_name, text("disk"))) == Verdict::transmission);
    CHECK(client.out.size() == 10);
    CHECK(wire::load<std::uint64_t>(client.out.data()) == 1 << 20);
    CHECK(!client.handshake.result().agreement.block_sizes);
}

TEST_CASE("structured replies are agreed upon, as often as they are asked for") {
    Client client;
    CHECK(client.last(Option::structured_reply) == OptionReply::ack);
    CHECK(client.last(Option::structured_reply) == OptionReply::ack);
    const auto replies = client.ask(Option::go, info_data("disk"));
    REQUIRE(client.verdict == Verdict::transmission);
    CHECK(client.handshake.result().agreement.dialect == wire::Dialect::structured);
    CHECK((wire::load<std::uint16_t>(&replies[0].data[10]) & wire::send_df) != 0);
}

TEST_CASE("without structured replies no single chunk is offered") {
    Client client;
    const auto replies = client.ask(Option::go, info_data("disk"));
    CHECK(client.handshake.result().agreement.dialect == wire::Dialect::simple);
    CHECK((wire::load<std::uint16_t>(&replies[0].data[10]) & wire::send_df) == 0);
}

TEST_CASE("extended headers are agreed upon with and without structured replies before") {
    for (const bool structured_first : {false, true}) {
        Client client;
        if (structured_first)
            CHECK(client.last(Option::structured_reply) == OptionReply::ack);
        CHECK(client.last(Option::extended_headers, text("x")) == OptionReply::invalid);
        CHECK(client.last(Option::extended_headers) == OptionReply::ack);
        CHECK(client.last(Option::structured_reply) == OptionReply::extended_header_required);
        client.ask(Option::go, info_data("disk"));
        CHECK(client.handshake.result().agreement.dialect == wire::Dialect::extended);
    }
}

TEST_CASE("after extended headers EXPORT_NAME ends the connection without a byte") {
    Client client;
    CHECK(client.last(Option::extended_headers) == OptionReply::ack);
    client.out.clear();
    CHECK(client.feed(option(Option::export_name, text("disk"))) == Verdict::hang_up);
    CHECK(client.out.empty());
}

TEST_CASE("STRUCTURED_REPLY takes no data") {
    Client client;
    CHECK(client.last(Option::structured_reply, text("x")) == OptionReply::invalid);
    client.ask(Option::go, info_data("disk"));
    CHECK(client.handshake.result().agreement.dialect == wire::Dialect::simple);
}

TEST_CASE("EXPORT_NAME of what cannot be had ends the connection without a byte") {
    for (const std::string &name : {std::string("none"), std::string("away"), std::string(4097, 'n')}) {
        Client client;
        CHECK(client.feed(option(Option::export_name, text(name))) == Verdict::hang_up);
        CHECK(client.out.empty());
    }
}

TEST_CASE("GO tells size, flags and what else was asked for, then transmission starts") {
    Client client;
    const auto replies = client.ask(Option::go, info_data("", {1, 2, 3, 3, 77}));
    REQUIRE(replies.size() == 5);
    CHECK(wire::load<std::uint64_t>(&replies[0].data[2]) == 1 << 20);
    CHECK((wire::load<std::uint16_t>(&replies[0].data[10]) & wire::can_multi_conn) != 0);
    CHECK(replies[1].data.size() == 2 + 4);
    CHECK(replies[2].data.size() == 2 + 6);
    CHECK(wire::load<std::uint32_t>(&replies[3].data[2]) == 512);
    CHECK(replies[4].type == OptionReply::ack);
    CHECK(client.verdict == Verdict::transmission);
    CHECK(client.handshake.result().agreement.block_sizes);
    CHECK(client.handshake.result().info->name == "disk");
}

TEST_CASE("INFO leaves the negotiation open and GO after it answers the same") {
    Client client;
    const auto first = client.ask(Option::info, info_data("disk"));
    CHECK(client.verdict == Verdict::more);
    client.exports.all.clear();
    client.exports.add({.name = "disk", .geometry = {.size = 4096}});
    const auto second = client.ask(Option::go, info_data("disk"));
    CHECK(first.at(0).data == second.at(0).data);
}

TEST_CASE("an option between INFO and GO lets GO see what is new") {
    Client client;
    client.ask(Option::info, info_data("disk"));
    client.exports.all.clear();
    client.exports.add({.name = "disk", .geometry = {.size = 4096}});
    client.ask(Option::list);
    const auto second = client.ask(Option::go, info_data("disk"));
    CHECK(wire::load<std::uint64_t>(&second.at(0).data[2]) == 4096);
}

TEST_CASE("GO of an unknown export is refused and the client may try again") {
    Client client;
    CHECK(client.last(Option::go, info_data("none")) == OptionReply::unknown);
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::ack);
}

TEST_CASE("GO of an export that is not ready says why") {
    Client client;
    const auto replies = client.ask(Option::go, info_data("away"));
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].type == OptionReply::unknown);
    CHECK(replies[0].data == text("no path is up"));
    CHECK(client.verdict == Verdict::more);
}

TEST_CASE("malformed INFO data is refused in step") {
    Client client;
    Bytes overrun = info_data("disk");
    wire::store(overrun.data(), std::uint32_t{0xfffffffa});
    Bytes short_count = info_data("disk", {1, 2});
    short_count.resize(short_count.size() - 2);
    Bytes trailing = info_data("disk");
    trailing.push_back(std::byte{0});
    for (const Bytes &data : {Bytes{}, Bytes(5), overrun, short_count, trailing})
        CHECK(client.last(Option::info, data) == OptionReply::invalid);
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
}

TEST_CASE("names are at most 4096 bytes of UTF-8 without NUL") {
    Client client;
    CHECK(client.last(Option::info, info_data(std::string(4096, 'n'))) == OptionReply::unknown);
    CHECK(client.last(Option::info, info_data("d\xc3\xa9\xf0\x9f\x98\x80")) == OptionReply::unknown);
    for (const std::string &name :
         {std::string(4097, 'n'), std::string("a\0b", 3), std::string("\xc0\xaf"),
          std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("a\xc3")})
        CHECK(client.last(Option::info, info_data(name)) == OptionReply::invalid);
}

TEST_CASE("LIST names every export") {
    Client client;
    const auto replies = client.ask(Option::list);
    REQUIRE(replies.size() == 3);
    CHECK(replies[0].type == OptionReply::server);
    CHECK(replies[0].data.size() == 4 + 4 + 6);
    CHECK(replies[2].type == OptionReply::ack);
    CHECK(client.last(Option::list, text("x")) == OptionReply::invalid);
}

TEST_CASE("ABORT is acknowledged, with data too, and ends the connection") {
    Client client;
    CHECK(client.last(Option::abort, text("bye")) == OptionReply::ack);
    CHECK(client.verdict == Verdict::hang_up);
}

TEST_CASE("STARTTLS is refused by policy, with data as malformed") {
    Client client;
    CHECK(client.last(Option::starttls) == OptionReply::policy);
    CHECK(client.last(Option::starttls, text("x")) == OptionReply::invalid);
}

TEST_CASE("options we do not know are refused in step, whatever data they carry") {
    Client client;
    for (const Option unknown : {Option::peek_export, Option{0}, Option{0x7654321}}) {
        CHECK(client.last(unknown) == OptionReply::unsupported);
        CHECK(client.last(unknown, Bytes(1 << 20)) == OptionReply::unsupported);
    }
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
}

TEST_CASE("too much option data is consumed and refused, far too much ends the connection") {
    Client client;
    CHECK(client.last(Option::go, Bytes((256 << 10) + 1)) == OptionReply::too_big);
    CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
    CHECK(client.feed(option(Option{99}, Bytes((1 << 20) + 1))) == Verdict::hang_up);
}

TEST_CASE("a thousand options are enough") {
    Client client;
    for (int i = 0; i < 1000; ++i)
        REQUIRE(client.last(Option{99}) == OptionReply::unsupported);
    CHECK(client.feed(option(Option{99})) == Verdict::hang_up);
}

TEST_CASE("during shutdown options are refused, ABORT is not") {
    Client client;
    client.handshake.shut_down();
    CHECK(client.last(Option::go, info_data("disk")) == OptionReply::shutdown);
    CHECK(client.last(Option::list) == OptionReply::shutdown);
    CHECK(client.last(Option::abort) == OptionReply::ack);
}

TEST_CASE("bytes may come one by one") {
    Client client;
    Bytes all = option(Option::list);
    for (const Bytes &next : {option(Option{99}, Bytes(70)), option(Option::go, info_data("disk", {3}))})
        all.insert(all.end(), next.begin(), next.end());
    CHECK(client.feed(all, 1) == Verdict::transmission);
}

TEST_CASE("no mutation of a handshake makes it fail or collect") {
    Bytes good = option(Option::list);
    for (const Bytes &next :
         {option(Option::info, info_data("disk", {1, 2, 3})), option(Option{99}, Bytes(70)),
          option(Option::structured_reply), option(Option::go, info_data("away"))})
        good.insert(good.end(), next.begin(), next.end());
    std::minstd_rand random(1); // NOLINT: the same mutations every time
    for (int round = 0; round < 20000; ++round) {
        Bytes bytes = good;
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes)
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        Client client;
        client.feed(bytes, 1 + random() % 64);
        CHECK(client.out.size() < 4096);
        CHECK(client.handshake.wanted() <= 1 << 20);
    }
}
