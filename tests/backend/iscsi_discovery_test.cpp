// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_discovery.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

namespace {

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
    std::vector<std::byte> result;
    for (const unsigned value : values)
        result.push_back(static_cast<std::byte>(value));
    return result;
}

} // namespace

TEST_CASE("the state of a group of ports is read from the unit's list") {
    const auto list = bytes({0,    0,    0, 24, 0x00, 0xdf, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, //
                             0x82, 0xdf, 0, 2,  0,    2,    0, 1, 0, 0, 0, 2});
    CHECK(backend::port_group_state(list, 1) == backend::PortGroupState{0, false});
    CHECK(backend::port_group_state(list, 2) == backend::PortGroupState{2, true});
    CHECK_FALSE(backend::port_group_state(list, 3));
}

TEST_CASE("a list of groups that is cut off, or says it is longer than it is, is read as far as it goes") {
    auto list = bytes({0xff, 0xff, 0xff, 0xff, 0x01, 0xdf, 0, 1, 0, 0, 0, 255, 0, 0, 0, 1});
    CHECK(backend::port_group_state(list, 1) == backend::PortGroupState{1, false});
    CHECK_FALSE(backend::port_group_state(list, 2));
    list.resize(11);
    CHECK_FALSE(backend::port_group_state(list, 1));
    CHECK_FALSE(backend::port_group_state({}, 1));
    CHECK_FALSE(backend::port_group_state(bytes({0, 0, 0}), 1));
}

TEST_CASE("units are those that a path can name") {
    const auto list = bytes({0,    0,    0, 32, 0, 0, 0, 0, //
                             0,    7,    0, 0,  0, 0, 0, 0, //
                             0x41, 0x00, 0, 0,  0, 0, 0, 0, // flat, 256
                             0x80, 0x00, 0, 0,  0, 0, 0, 0, // a unit behind another bus
                             0,    1,    0, 0,  0, 0, 0, 0});
    CHECK(backend::units_in(list) == std::vector<int>{1, 7, 256});
    CHECK(backend::units_in(bytes({0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9})) ==
          std::vector<int>{3});
    CHECK(backend::units_in({}).empty());
    CHECK(backend::units_in(bytes({0, 0, 0, 8})).empty());
}
