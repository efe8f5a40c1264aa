// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cerrno>
#include <cstdint>

namespace block {

/// What an outcome means to the map (semantics reference 4.3).
enum class Outcome : std::uint8_t {
    ok,
    path,         ///< the path is at fault: fail it, replay the request elsewhere
    path_delayed, ///< as `path`, but the replay waits (resource shortage): at least 100 ms
    retry,        ///< nobody is at fault: the same path again, a bounded number of times, then `path`
    target,       ///< the disk refuses: the client gets `error`, the path stays good
    pass,         ///< as `target`: not supported, or would block on read-ahead
};

struct Status {
    Outcome outcome = Outcome::ok;
    int error = 0; ///< errno value, 0 exactly when outcome is ok

    [[nodiscard]] bool ok() const noexcept { return outcome == Outcome::ok; }
    [[nodiscard]] bool is_path_error() const noexcept {
        return outcome == Outcome::path || outcome == Outcome::path_delayed || outcome == Outcome::retry;
    }
    bool operator==(const Status &) const = default;

    static constexpr Status success() noexcept { return {}; }
    static constexpr Status path_error(int error) noexcept { return {Outcome::path, error}; }
    static constexpr Status target_error(int error) noexcept { return {Outcome::target, error}; }
};

/// The class of an errno that a local file or device gave (semantics reference 4.5).
Status classify_errno(int error) noexcept;
/// The class of an errno value that a remote NBD server answered (semantics reference 4.4). libnbd and the
/// wire agree on these values.
Status classify_nbd_error(int error) noexcept;

} // namespace block
