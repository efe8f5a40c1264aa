// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/request.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace backend {

/// What the words of one `inject` say (grammar: nbdmpathctl(8)). Plain values.
struct FaultSpec {
    enum class Effect : std::uint8_t { error, delay, hang, drop };

    Effect effect = Effect::error;
    block::Status error;                ///< with Effect::error
    std::chrono::milliseconds delay{0}; ///< before an error, or before the path gets the request

    std::uint8_t operations = 0xff; ///< a bit for each block::Operation
    std::uint64_t offset = 0;       ///< requests that touch these bytes; a flush touches none
    std::uint64_t length = 0;       ///< 0: all requests, flushes too
    std::uint64_t after = 0;        ///< of those, leaves out so many first,
    std::uint64_t every = 1;        ///< then takes each n-th,
    double probability = 1;         ///< with this luck,
    std::uint64_t seed = 1;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max(); ///< and not more than these

    bool filtered = false; ///< says which requests, and not just what
    std::string text;      ///< the words in the order of the grammar, with the seed that is used

    [[nodiscard]] bool covers(const block::Request &request) const noexcept;
};

/// Reads the words of a rule. Throws base::Error(EINVAL) that names the wrong word and shows a right one.
FaultSpec parse_fault(std::string_view text);

/// A rule in force on one path, with what it has seen.
class FaultRule {
public:
    explicit FaultRule(FaultSpec spec) noexcept
        : spec_(std::move(spec))
        , random_(spec_.seed) {}

    /// Whether this request is one of the rule's. Asked once for each request that no earlier rule took.
    bool takes(const block::Request &request) noexcept;

    [[nodiscard]] const FaultSpec &spec() const noexcept { return spec_; }
    [[nodiscard]] std::uint64_t used() const noexcept { return used_; }

private:
    /// From 0 to below 1; the same numbers for the same seed, everywhere.
    double draw() noexcept;

    FaultSpec spec_;
    std::uint64_t random_;
    std::uint64_t seen_ = 0;
    std::uint64_t used_ = 0;
};

} // namespace backend
