// SPDX-License-Identifier: BSD-3-Clause
// LIST_META_CONTEXT and SET_META_CONTEXT.
#include "handshake_client.hpp"
#include "nbd/meta_query.hpp"

#include <random>

using namespace handshake_test;

namespace {

Bytes query(std::string_view name, const std::vector<std::string> &queries) {
    Bytes bytes;
    put(bytes, static_cast<std::uint32_t>(name.size()));
    put(bytes, name);
    put(bytes, static_cast<std::uint32_t>(queries.size()));
    for (const std::string_view text : queries) {
        put(bytes, static_cast<std::uint32_t>(text.size()));
        put(bytes, text);
    }
    return bytes;
}

struct Structured : Client {
    Structured() { REQUIRE(last(Option::structured_reply) == OptionReply::ack); }
    /// How many contexts are listed or selected; the option must succeed.
    std::size_t contexts(Option which, const Bytes &data) {
        const auto all = ask(which, data);
        REQUIRE(all.back().type == OptionReply::ack);
        for (std::size_t i = 0; i + 1 < all.size(); ++i) {
            REQUIRE(all[i].type == OptionReply::meta_context);
            const auto id = wire::load<std::uint32_t>(all[i].data.data());
            CHECK(id == (which == Option::set_meta_context ? 1U : 0U));
            CHECK(Bytes(all[i].data.begin() + 4, all[i].data.end()) == text("base:allocation"));
        }
        return all.size() - 1;
    }
    std::size_t listed(const std::vector<std::string> &queries) {
        return contexts(Option::list_meta_context, query("disk", queries));
    }
    std::size_t selected(const std::vector<std::string> &queries, std::string_view name = "disk") {
        return contexts(Option::set_meta_context, query(name, queries));
    }
    bool may_ask_status(std::string_view name = "disk") {
        REQUIRE(last(Option::go, info_data(name)) == OptionReply::ack);
        return handshake.result().agreement.allocation;
    }
};

} // namespace

TEST_CASE("listing knows no query, the name and the wildcard") {
    Structured client;
    CHECK(client.listed({}) == 1);
    CHECK(client.listed({"base:"}) == 1);
    CHECK(client.listed({"base:allocation", "base:"}) == 1);
    CHECK(client.listed({"x-other:", "base:nonsense", "qemu:dirty-bitmap:a", "no colon", ""}) == 0);
}

TEST_CASE("selecting knows the name only, once") {
    Structured client;
    CHECK(client.selected({"base:"}) == 0);
    CHECK(client.selected({}) == 0);
    CHECK(client.selected({"x-unknown:thing", "base:allocation", "base:allocation"}) == 1);
    CHECK(client.may_ask_status());
}

TEST_CASE("a new selection replaces the one before, also when it fails") {
    for (const Bytes &second : {query("disk", {}), query("none", {"base:allocation"}), text("x")}) {
        Structured client;
        CHECK(client.selected({"base:allocation"}) == 1);
        client.ask(Option::set_meta_context, second);
        CHECK_FALSE(client.may_ask_status());
    }
}

TEST_CASE("listing selects nothing and forgets nothing") {
    Structured client;
    CHECK(client.selected({"base:allocation"}) == 1);
    CHECK(client.listed({}) == 1);
    CHECK(client.may_ask_status());
    Structured other;
    CHECK(other.listed({"base:allocation"}) == 1);
    CHECK_FALSE(other.may_ask_status());
}

TEST_CASE("a selection is for its export, whatever it is called") {
    Structured client;
    client.exports.add({.name = "other", .geometry = {.size = 1 << 20}});
    CHECK(client.selected({"base:allocation"}) == 1);
    CHECK_FALSE(client.may_ask_status("other"));
    Structured alias;
    CHECK(alias.selected({"base:allocation"}, "") == 1);
    CHECK(alias.may_ask_status("disk"));
}

TEST_CASE("contexts need structured replies, an export and a sound query") {
    for (const Option option : {Option::list_meta_context, Option::set_meta_context}) {
        Client simple;
        CHECK(simple.last(option, query("disk", {"base:allocation"})) == OptionReply::invalid);
        Structured client;
        CHECK(client.last(option, query("none", {})) == OptionReply::unknown);
        CHECK(client.last(option, query("away", {})) == OptionReply::unknown);
        CHECK(client.last(option, {}) == OptionReply::invalid);
        CHECK(client.last(option, Bytes(300 << 10)) == OptionReply::too_big);
        Bytes longer = query("disk", {"base:allocation"});
        longer.push_back(std::byte{0});
        CHECK(client.last(option, longer) == OptionReply::invalid);
        CHECK(client.last(Option::info, info_data("disk")) == OptionReply::ack);
    }
}

TEST_CASE("lengths and counts that lie are seen through") {
    Structured client;
    for (std::size_t at : {0U, 8U, 12U}) { // of the name, the number of queries, the first query
        Bytes bytes = query("disk", {"base:allocation"});
        for (const std::uint32_t lie : {0xffffffffU, 0xfffffff8U, 100U}) {
            wire::store(bytes.data() + at, lie);
            CHECK_FALSE(nbd::parse_meta_query(bytes));
            CHECK(client.last(Option::set_meta_context, bytes) == OptionReply::invalid);
        }
    }
    std::mt19937 random(7);
    for (int run = 0; run < 20000; ++run) {
        Bytes bytes = query("disk", {"base:allocation", "base:"});
        for (int i = 0; i < 3; ++i)
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        bytes.resize(random() % (bytes.size() + 1));
        (void)nbd::parse_meta_query(bytes);
    }
}

TEST_CASE("a list of contexts in a request is offered to extended clients that selected one") {
    const auto flags = [](Option dialect, bool select) {
        Client client;
        CHECK(client.last(dialect) == OptionReply::ack);
        if (select)
            CHECK(client.last(Option::set_meta_context, query("disk", {"base:allocation"})) ==
                  OptionReply::ack);
        return wire::load<std::uint16_t>(&client.ask(Option::go, info_data("disk"))[0].data[10]);
    };
    CHECK((flags(Option::extended_headers, true) & wire::block_status_payload) != 0);
    CHECK((flags(Option::extended_headers, false) & wire::block_status_payload) == 0);
    CHECK((flags(Option::structured_reply, true) & wire::block_status_payload) == 0);
}
