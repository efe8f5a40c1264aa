// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/keys.hpp"

#include <memory>
#include <string>
#include <vector>

/// What contract_test.cpp runs over. A test file of a backend type adds its fixtures:
///     const contract::Registration mine{{"nbd over a unix socket", [] { return
///     std::make_unique<NbdkitDisk>(); }}};
namespace contract {

/// A writable disk of `size` bytes, all zero, that a backend can reach; gone with this object.
class Disk {
public:
    static constexpr std::uint64_t size = 4 << 20;

    virtual ~Disk() = default;
    [[nodiscard]] virtual std::string uri() const = 0;
    /// Every key of the type.
    [[nodiscard]] virtual base::KeyValues values() const = 0;
    /// Before the backend is opened: cannot be reached until come_back().
    virtual void go_away() = 0;
    virtual void come_back() = 0;
};

struct Fixture {
    std::string name;
    std::unique_ptr<Disk> (*make)(); ///< null where it cannot be set up here
};

inline std::vector<Fixture> &fixtures() {
    static std::vector<Fixture> all;
    return all;
}

struct Registration {
    explicit Registration(const Fixture &fixture) { fixtures().push_back(fixture); }
};

} // namespace contract
