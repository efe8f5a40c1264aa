// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/keys.hpp"
#include "base/scheduler.hpp"
#include "block/device.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace io {
class Worker;
}

namespace backend {

class Backend;

/// Hears of a backend's connection. On the backend's worker, never from inside open(), submit() or close().
class Observer {
public:
    /// The path answers: geometry() is valid. Requests may be submitted (the observer probes first).
    virtual void path_up(Backend &backend) noexcept = 0;
    /// The path is lost or could not be reached; the backend goes on trying by itself. Everything in flight
    /// completes with a path error. Called once per change; `why` is one line for log and status.
    virtual void path_down(Backend &backend, std::string_view why) noexcept = 0;
    /// Nothing that it ever gave back as `path_unfenced` can be carried out any more.
    virtual void path_fenced(Backend &) noexcept {}

protected:
    ~Observer() = default;
};

/// The end of a path: a file, a remote server, a LUN. Connects, reconnects with back-off (50 ms doubling to
/// `reconnect_delay`), and serves requests while it is up; a request submitted while it is down completes
/// with a path error ENOTCONN. It never repeats a request by itself. Owned by the map's assembly; lives on
/// one worker.
class Backend : public block::Device {
public:
    virtual ~Backend() = default;

    /// Starts connecting, in the background.
    virtual void open(Observer &observer) = 0;
    /// Ends everything: what is in flight completes (with its result, or a path error), then `closed` is
    /// called, never inside close(). After that the backend may be destroyed. The observer hears nothing any
    /// more.
    virtual void close(base::Delegate<> closed) noexcept = 0;

    [[nodiscard]] virtual bool up() const noexcept = 0;
    /// What the peer says it is, for people to read and to be compared with what it said before (design D6);
    /// empty: nothing. Constant while the path is up.
    [[nodiscard]] virtual std::string_view identity() const noexcept { return {}; }
    /// How the server that was reached last is kept from carrying out what it was sent, once it is lost: a
    /// word for people; empty: there is no need, or no way.
    [[nodiscard]] virtual std::string_view fencing() const noexcept { return {}; }
    /// Requests that it was given and has not completed.
    [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
};

/// What a path is made from. `values` holds every key of the type, checked, defaults filled in.
struct Settings {
    std::string name; ///< the path's, for the log
    std::string uri;
    base::KeyValues values;
    /// Of the map: whether what was sent and not answered waits until its server is cut off, if the path
    /// knows how (design D3), and for how long.
    bool fences = true;
    /// Of the map: the server has a cache of its own, whose content must not come back either (design D4).
    bool independent_caches = false;
    std::chrono::milliseconds fence_timeout{10000};
    /// A connection that is lost while idle is to be noticed (Compat::only_requests_fail_paths: it is not).
    bool checks_idle = true;
};

/// One kind of path: a row of the generated table `all_types`.
struct Type {
    std::string_view name;                     ///< "file"
    std::span<const std::string_view> schemes; ///< URI schemes it serves, "nbd", "nbd+unix"…
    std::string_view summary;                  ///< one sentence for the manual
    std::span<const base::Key> keys;
    /// Throws base::Error when the URI is not right (only its text is looked at: no I/O).
    void (*check_uri)(std::string_view uri);
    /// Two paths with the same text see one cache and one disk by themselves (design D4: one inode, one
    /// server, no cache at all); may look at the file system, connects to nothing. Empty: unknown.
    std::string (*cache_identity)(std::string_view uri, const base::KeyValues &values);
    /// Throws base::Error when a value of the keys is out of its range; nullptr: there is nothing to check.
    void (*check_values)(const base::KeyValues &values);
    std::unique_ptr<Backend> (*create)(io::Worker &worker, const Settings &settings);
    /// Whether a request that is given back as lost has surely ended; nullptr: always (design D3, `fence`).
    bool (*can_fence)(const base::KeyValues &values) = nullptr;
    bool is_scsi = false; ///< its devices have a SCSI side
};

/// Every type that was built in, in the order of backend/meson.build.
std::span<const Type *const> all_types() noexcept;
/// The type that serves the URI's scheme, or nullptr.
const Type *find_type(std::string_view uri) noexcept;

} // namespace backend
