// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "admin/server.hpp"
#include "config/config.hpp"
#include "daemon/map_directory.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/sockets.hpp"
#include "io/worker.hpp"
#include "nbd/server.hpp"

#include <memory>
#include <string>
#include <vector>

namespace nbdmpathd {

class Signals;

/// The running server: the control loop (on the caller's thread), the workers, the maps on them, the sockets.
/// The folder is `daemon`; its namespace is not, because unistd.h has a function of that name.
class Daemon final {
public:
    /// Opens the sockets, beside those that were handed over. Throws base::Error; then nothing is left
    /// behind.
    explicit Daemon(const config::Config &configuration, ActivatedSockets sockets = {});
    ~Daemon();

    /// Serves until SIGTERM or SIGINT, then ends in an orderly way, within shutdown_timeout. False when it
    /// could not: at a second signal, or because a request never came back. Then the object must not be
    /// destroyed, only the process ended; its socket files are gone.
    [[nodiscard]] bool run();

private:
    void start_accepting();
    void maps_closed();
    void shut_down();
    void end_at_once() noexcept;
    void reload();

    const config::Config configuration_;
    io::Worker control_;
    ServiceManager service_manager_;
    std::vector<MapPlan> plans_; ///< until run()
    MapDirectory maps_;
    bool ending_ = false;
    bool orderly_ = true;
    base::Timer
        last_resort_; ///< a request that no backend gives back, as from a disk that hangs in the kernel
    nbd::Server nbd_;
    admin::Server admin_;
    std::unique_ptr<Signals> signals_;
};

} // namespace nbdmpathd
