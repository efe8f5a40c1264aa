// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/request.hpp"

#include <cstdint>

namespace block {

/// What a device is like. Comparable, so that "the same disk" can be asked.
struct Geometry {
    std::uint64_t size = 0;          ///< bytes
    std::uint32_t minimum_block = 1; ///< offsets and lengths are multiples of it; a power of two <= 64 KiB
    std::uint32_t preferred_block = 4096;     ///< a power of two
    std::uint32_t maximum_payload = 32 << 20; ///< longest read or write
    bool read_only = false;
    bool rotational = false;

    bool operator==(const Geometry &) const = default;
};

class ScsiPort;

/// Anything that takes requests: a path at the end, a map above it, a fault injector between. One worker: all
/// calls and completions on it. Every operation works on every device (what the medium lacks is emulated
/// inside), so nobody above asks for abilities.
class Device {
public:
    Device() = default;
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    /// Takes the request; its top layer hears of the end through completed(), exactly once, never before
    /// submit() returned. The request lies inside the geometry and is aligned to its minimum block.
    virtual void submit(Request &request) noexcept = 0;

    /// Constant between two connects of a path.
    [[nodiscard]] virtual const Geometry &geometry() const noexcept = 0;

    /// Grows by one whenever what was written and not flushed may be lost: a lost connection, a restarted
    /// server.
    [[nodiscard]] virtual std::uint64_t generation() const noexcept { return 0; }

    /// Whether the server that was lost last has surely ended, and its cache with it: what it had can never
    /// come back (design D4).
    [[nodiscard]] virtual bool proven_dead() const noexcept { return false; }

    /// The other way to a unit that understands SCSI; nullptr: it is none. Always the same.
    [[nodiscard]] virtual ScsiPort *scsi() noexcept { return nullptr; }

protected:
    ~Device() = default;
};

} // namespace block
