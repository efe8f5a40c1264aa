// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/proposal.hpp"

#include "config/parse.hpp"
#include "daemon/plan.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace {

const std::string one = "naa.6001405aabbccddeeff0011223344556";
const std::string other = "naa.6001405aabbccddeeff0011223344557";

backend::FoundUnit found(const std::string &portal, const std::string &wwid, int lun = 0) {
    backend::FoundUnit unit;
    unit.portal = portal;
    unit.target = "iqn.2026-01.org.example:disk";
    unit.lun = lun;
    unit.product = "LIO-ORG disk";
    unit.facts.wwid = unit.identity = wwid;
    unit.size = 1 << 20;
    return unit;
}

backend::FoundUnit with_group(backend::FoundUnit unit, std::uint16_t group, backend::PortGroupState state) {
    unit.facts.port_groups = 1;
    unit.facts.port_group = group;
    unit.state = state;
    return unit;
}

std::string text_of(const command::Outcome &outcome) {
    return fmt::format("{}", fmt::join(outcome.lines, "\n"));
}

/// The maps of the configuration that is proposed, which must be right.
std::vector<config::Map> maps_of(const backend::Discovered &discovered) {
    const command::Outcome outcome = nbdmpathd::propose(discovered);
    CHECK(outcome.error == 0);
    const config::Config read = config::parse(text_of(outcome), "proposal", nbdmpathd::environment());
    (void)nbdmpathd::plan_maps(read);
    return read.maps;
}

} // namespace

TEST_CASE("paths to one unit are one map, to several are several") {
    const auto maps = maps_of(
        {{found("10.0.0.1:3260", one), found("10.0.0.1:3260", other, 1), found("[::1]:3260", one)}, {}});
    REQUIRE(maps.size() == 2);
    CHECK(maps[0].wwid == one);
    CHECK(maps[0].table.ends_with("1 1 service-time 0 2 0 disk1-1 disk1-2"));
    CHECK(maps[1].wwid == other);
    CHECK(maps[1].table.ends_with("1 1 service-time 0 1 0 disk2-1"));
}

TEST_CASE("units of one name and another serial number or size are not one disk") {
    auto second = found("10.0.0.2:3260", one);
    SUBCASE("serial") { second.identity += " serial S2"; }
    SUBCASE("size") { second.size *= 2; }
    CHECK(maps_of({{found("10.0.0.1:3260", one), second}, {}}).size() == 2);
    const auto nameless = found("10.0.0.1:3260", "");
    CHECK(maps_of({{nameless, nameless}, {}}).size() == 2);
}

TEST_CASE("groups of ports are priority groups, the best state first and then the preferred") {
    const auto maps = maps_of({{with_group(found("10.0.0.1:3260", one), 1, {2, false}),
                                with_group(found("10.0.0.2:3260", one), 2, {0, false}),
                                with_group(found("10.0.0.3:3260", one), 3, {0, true}),
                                with_group(found("10.0.0.4:3260", one), 2, {0, false})},
                               {}});
    REQUIRE(maps.size() == 1);
    CHECK(maps[0].table.ends_with("3 1 service-time 0 1 0 disk1-3 service-time 0 2 0 disk1-2 disk1-4 "
                                  "service-time 0 1 0 disk1-1"));
}

TEST_CASE("who had to say a secret finds a file to put it into") {
    auto unit = found("10.0.0.1:3260", one);
    unit.user = "ali/ce\"";
    unit.target_user = "target";
    const std::string text = text_of(nbdmpathd::propose({{unit}, {}}));
    CHECK(text.find(
              R"({uri: "iscsi://ali/ce\"@10.0.0.1:3260/iqn.2026-01.org.example:disk/0?target_user=target", )"
              R"(secret_file: "/etc/nbdmpath/ali_ce_.secret", mutual_secret_file: )"
              R"("/etc/nbdmpath/target.secret"})") != std::string::npos);
    CHECK(maps_of({{unit}, {}}).size() == 1);
}

TEST_CASE("portals of one port of the target fence what was sent through each other") {
    const auto at_port = [](const std::string &portal, std::uint16_t port) {
        auto unit = found(portal, one);
        unit.facts.relative_port = port;
        return unit;
    };
    auto elsewhere = at_port("10.0.0.5:3260", 1);
    elsewhere.target += "2";
    const backend::Discovered all{{at_port("10.0.0.1:3260", 1), at_port("10.0.0.2:3260", 2),
                                   at_port("[fe80::1]:3260", 1), at_port("10.0.0.4:3260", 1), elsewhere,
                                   found("10.0.0.6:3260", one)},
                                  {}};
    REQUIRE(maps_of(all).size() == 1);
    const command::Outcome outcome = nbdmpathd::propose(all);
    const auto fence_of = [&](const std::string &path) -> std::string {
        const std::string key = ", fence_portal: ";
        for (const std::string &line : outcome.lines)
            if (line.starts_with("  " + path + ":"))
                return line.find(key) == std::string::npos ? "" : line.substr(line.find(key) + key.size());
        return "no such path";
    };
    CHECK(fence_of("disk1-1") == R"("[fe80::1]:3260"})");
    CHECK(fence_of("disk1-2").empty()); // alone at its port
    CHECK(fence_of("disk1-3") == R"("10.0.0.4:3260"})");
    CHECK(fence_of("disk1-4") == R"("10.0.0.1:3260"})");
    CHECK(fence_of("disk1-5").empty()); // of another target
    CHECK(fence_of("disk1-6").empty()); // does not say which port it has
}

TEST_CASE("what is told cannot become something else than a comment") {
    auto unit = found("10.0.0.1:3260", "naa.12");
    unit.product = "A\nmultipaths: \"x\\";
    auto broken = unit;
    broken.problem = "it is\nbroken";
    const backend::Discovered all{{unit, broken}, {"10.0.0.2:3260: a\nb"}};
    CHECK(maps_of(all).size() == 1);
    CHECK(maps_of(all)[0].wwid.empty());
    const command::Outcome outcome = nbdmpathd::propose(all);
    CHECK(outcome.lines[1] == "# not used: 10.0.0.1:3260 iqn.2026-01.org.example:disk unit 0: it is?broken");
    CHECK(outcome.lines[2] == "# not used: 10.0.0.2:3260: a?b");
}

TEST_CASE("nothing to make a map of is an error that says why") {
    const command::Outcome refused = nbdmpathd::propose({{}, {"10.0.0.1:3260: refused"}});
    CHECK(refused.error == ENXIO);
    CHECK(refused.text == "10.0.0.1:3260: refused");
    auto broken = found("10.0.0.1:3260", one);
    broken.problem = "the unit is not a disk";
    const command::Outcome none = nbdmpathd::propose({{broken}, {}});
    CHECK(none.error == ENXIO);
    CHECK(none.lines.size() == 1);
}
