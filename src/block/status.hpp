// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>

namespace block {

/// What an outcome means to the map (semantics reference 4.3).
enum class Outcome : std::uint8_t {
    ok,
    path,      ///< the path is at fault: fail it, replay the request elsewhere
    path_lost, ///< as `path`, and nobody answered: the request was not sent, or ended with whom it was sent
               ///< to
    path_in_doubt, ///< as `path_lost`, but it was sent and may still be carried out, at any time (design D3)
    path_unfenced, ///< as `path_in_doubt`, and the server could not be cut off in time: the request fails,
                   ///< and its range is shut until the device has been fenced after all
    path_delayed,  ///< as `path`, but the replay waits (resource shortage): at least 100 ms
    retry,         ///< nobody is at fault: the same path again, as often as `retries` says, then `path`
    target,        ///< the disk refuses: the client gets `error`, the path stays good
    pass,          ///< as `target`: not supported, or would block on read-ahead
};

/// How a request ended. Eight bytes: it travels in a register.
struct Status {
    Outcome outcome = Outcome::ok;
    /// Of `retry`: how often at most the request is sent again on its path, and how long that waits the first
    /// time; each further time twice as long, up to a second.
    std::uint8_t retries = 0;
    std::uint16_t retry_delay_ms = 0;
    int error = 0; ///< errno value, 0 exactly when outcome is ok

    static constexpr std::uint8_t usual_retries = 5;

    constexpr Status() noexcept = default;
    constexpr Status(Outcome what, int why) noexcept
        : outcome(what)
        , retries(what == Outcome::retry ? usual_retries : 0)
        , error(why) {}

    [[nodiscard]] bool ok() const noexcept { return outcome == Outcome::ok; }
    [[nodiscard]] bool is_path_error() const noexcept {
        return outcome != Outcome::ok && outcome != Outcome::target && outcome != Outcome::pass;
    }
    /// What was sent may still be carried out.
    [[nodiscard]] bool in_doubt() const noexcept {
        return outcome == Outcome::path_in_doubt || outcome == Outcome::path_unfenced;
    }
    /// How long the next attempt waits after so many.
    [[nodiscard]] std::chrono::milliseconds retry_delay(unsigned attempts) const noexcept;
    bool operator==(const Status &) const = default;

    static constexpr Status success() noexcept { return {}; }
    static constexpr Status path_error(int error) noexcept { return {Outcome::path, error}; }
    static constexpr Status path_lost(int error = ENOTCONN) noexcept { return {Outcome::path_lost, error}; }
    static constexpr Status target_error(int error) noexcept { return {Outcome::target, error}; }
    static constexpr Status retry(int error, std::uint8_t times,
                                  std::chrono::milliseconds delay = std::chrono::milliseconds(0)) noexcept {
        Status status{Outcome::retry, error};
        status.retries = times;
        status.retry_delay_ms = static_cast<std::uint16_t>(delay.count());
        return status;
    }
};
static_assert(sizeof(Status) == sizeof(std::uint64_t));

/// The class of an errno that a local file or device gave (semantics reference 4.5).
Status classify_errno(int error) noexcept;
/// The class of an errno value that a remote NBD server answered (semantics reference 4.4). libnbd and the
/// wire agree on these values. `modifies`: the request would have changed data, and the export was not
/// read-only when the path was connected.
Status classify_nbd_error(int error, bool modifies) noexcept;

} // namespace block
