// SPDX-License-Identifier: BSD-3-Clause
#include "config/wwid.hpp"

#include "config/fixture.hpp"

using namespace config_test;

namespace {

std::string problem(std::string_view text) {
    try {
        return "none: " + config::parse_wwid(text);
    } catch (const base::Error &error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a name of a unit is read in both forms") {
    const std::string naa = "naa.6001405aabbccddeeff0011223344556";
    CHECK(config::parse_wwid(naa) == naa);
    CHECK(config::parse_wwid("NAA.6001405AABBCCDDEEFF0011223344556") == naa);
    CHECK(config::parse_wwid("36001405aabbccddeeff0011223344556") == naa);
    CHECK(config::parse_wwid("naa.5000c500a0b1c2d3") == "naa.5000c500a0b1c2d3");
    CHECK(config::parse_wwid("20011223344556677") == "eui.0011223344556677");
    CHECK(config::parse_wwid("eui.00112233445566778899aabbccddeeff") ==
          "eui.00112233445566778899aabbccddeeff");
    CHECK(config::parse_wwid("t10.IET     00010001 ") == "t10.IET_00010001");
    CHECK(config::parse_wwid("1IET_____00010001") == "t10.IET_00010001");
}

TEST_CASE("what is no name of a unit is refused") {
    CHECK(problem("sda").find("'sda' is not the name of a unit (example: naa.") == 0);
    CHECK(problem("").find("is not the name of a unit") != std::string::npos);
    CHECK(problem("naa.600140x") == "'600140x' is not hexadecimal");
    CHECK(problem("naa.6001405") == "after 'naa.' that begins with 6 come 32 digits, not 7");
    CHECK(problem("naa.5000c500a0b1c2d300") == "after 'naa.' that begins with 5 come 16 digits, not 18");
    CHECK(problem("naa.1000c500a0b1c2d3") == "after 'naa.' comes one of the digits 2, 3, 5 and 6");
    CHECK(problem("3") == "after 'naa.' comes one of the digits 2, 3, 5 and 6");
    CHECK(problem("eui.00") == "after 'eui.' come 16, 24 or 32 digits, not 2");
    CHECK(problem("t10. ").find("after 't10.' come 1 to 200 characters") == 0);
    CHECK(problem("t10.a\tb").find("after 't10.' come 1 to 200 characters") == 0);
}

TEST_CASE("a map's name is a problem at its place") {
    const auto with_wwid = [](std::string_view wwid) {
        return with_map(fmt::format("    table: \"0 0 1 1 round-robin 0 1 1 p1 1\"\n    wwid: {}\n", wwid));
    };
    CHECK(errors(with_wwid("naa.60")) ==
          Lines{"t.yaml:6:11: wwid: after 'naa.' that begins with 6 come 32 digits, not 2"});
    CHECK(errors(with_wwid("[x]")).size() == 1);
    const config::Map map = parse(with_wwid("35000c500a0b1c2d3")).maps.at(0);
    CHECK(map.wwid == "naa.5000c500a0b1c2d3");
    CHECK(config::to_string(map.wwid_where) == "t.yaml:6:11");
}
