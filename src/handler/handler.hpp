// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/device.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace handler {

/// How an activation ended; the numbers are the kernel's, for logs (semantics reference 4.9).
enum class Result : unsigned char {
    ok = 0,
    device_failed = 1,
    temporarily_busy = 2, ///< the group is bypassed
    unsupported = 3,
    not_connected = 5,
    connection_failure = 6,
    io_error = 8,
    invalid_io = 9,
    retry = 10, ///< again after pg_init_delay_msecs
    immediate_retry = 11,
    timed_out = 12,
    resource_unavailable = 13, ///< as immediate_retry
    offlined = 14,
    no_system = 15, ///< the handler is missing
};
/// "OK", "RETRY"…
std::string_view name_of(Result result) noexcept;

/// Hears of one activation's end: exactly once, never from inside activate().
class ActivationObserver {
public:
    virtual void activated(Result result) noexcept = 0;

protected:
    ~ActivationObserver() = default;
};

/// Hears what a handler has to tell its user. From the loop.
class Listener {
public:
    /// "PORT_GROUP", "id=1 state=standby".
    virtual void handler_event(std::string_view action, std::string details) noexcept = 0;
    virtual void handler_warning(std::string_view text) noexcept = 0;

protected:
    ~Listener() = default;
};

/// What an array must be told, or asked, before a path of it may be used: one object a table (semantics
/// reference 4.9). A table with a handler activates each group it turns to. On the map's worker; nothing here
/// blocks.
class Handler {
public:
    Handler() = default;
    Handler(const Handler &) = delete;
    Handler &operator=(const Handler &) = delete;
    /// Every activation has ended.
    virtual ~Handler() = default;

    /// The words behind the name. Throws base::Error(EINVAL).
    virtual void set_parameters(std::span<const std::string> words) = 0;
    /// Once for each path entry; the device outlives the handler, or is there until stop(). False: this kind
    /// of device knows no such handler.
    virtual bool attach(block::Device &device) = 0;
    /// The device answers now; it did not before, or may be another one.
    virtual void reached(block::Device &device) { static_cast<void>(device); }
    /// What is wrong with a device that was reached, as a clause ("its unit has no …"); empty: nothing. Of
    /// any device.
    [[nodiscard]] virtual std::string objection(block::Device &device) const {
        static_cast<void>(device);
        return {};
    }
    virtual void activate(block::Device &device, ActivationObserver &observer) noexcept = 0;
    /// Whether a request may be sent there now; hot path. False counts as a path error.
    [[nodiscard]] virtual bool may_send(block::Device &device) noexcept = 0;
    /// How the array lets the device be used, in a word for who looks; empty: not known. Of any device.
    [[nodiscard]] virtual std::string_view state_of(const block::Device &device) const noexcept {
        static_cast<void>(device);
        return {};
    }
    /// Nothing is asked of the array any more, and what activates ends soon. From then on the handler may
    /// outlive the devices.
    virtual void stop() noexcept {}
};

/// One kind of handler: a row of the generated table.
struct Type {
    std::string_view name;
    std::string_view summary;
    /// nullptr: groups need no activation at all, as without a handler.
    std::unique_ptr<Handler> (*create)(base::Scheduler &scheduler, Listener &listener);
};

std::span<const Type *const> all_types() noexcept;
/// The type of that exact name, or nullptr.
const Type *find_type(std::string_view name) noexcept;
using Find = const Type *(*)(std::string_view name) noexcept;

} // namespace handler
