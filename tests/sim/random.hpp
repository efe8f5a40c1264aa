// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace sim {

/// Numbers from a seed (splitmix64: cheap to seed, the same everywhere).
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept
        : state_(seed) {}
    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    unsigned below(unsigned bound) noexcept { return static_cast<unsigned>(next() % bound); }
    bool one_in(unsigned n) noexcept { return below(n) == 0; }

private:
    std::uint64_t state_;
};

} // namespace sim
