// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "admin/server.hpp"
#include "command/event_feed.hpp"
#include "command/maps.hpp"
#include "config/config.hpp"
#include "daemon/map_home.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/sockets.hpp"
#include "io/worker.hpp"
#include "nbd/server.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace nbdmpathd {

class Signals;

/// The running server: the control loop (on the caller's thread), the workers, the maps on them, the sockets.
/// The folder is `daemon`; its namespace is not, because unistd.h has a function of that name.
class Daemon final : private command::Maps, private nbd::Exports, private MapHomeObserver {
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
    struct Loop {
        io::Worker worker;
        std::thread thread;
    };
    struct Home {
        std::string name;
        io::Worker *worker;
        std::unique_ptr<MapHome> map; ///< touched on its worker only
        std::shared_ptr<const nbd::ExportInfo> info;
        bool settled = false;
    };

    // Commands, on the control loop.
    [[nodiscard]] std::vector<std::string> names() const override;
    [[nodiscard]] bool has(std::string_view map) const override;
    void visit(const std::string &map, Step step, Done done) override;
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> begin(const std::string &map, Beginning beginning,
                                                                Ended ended) override;
    [[nodiscard]] command::EventFeed &events() noexcept override { return feed_; }

    // Exports, on the control loop.
    [[nodiscard]] std::vector<std::shared_ptr<const nbd::ExportInfo>> list() const override;
    [[nodiscard]] std::shared_ptr<const nbd::ExportInfo> find(std::string_view name) const override;

    // From the maps' workers.
    void map_event(const std::string &map, const multipath::Event &event) override;
    void map_export(const std::string &map, std::shared_ptr<const nbd::ExportInfo> info,
                    bool settled) override;
    void map_closed(const std::string &map) override;

    void start_maps(std::vector<MapPlan> plans);
    void start_accepting_when_settled();
    void shut_down();
    void end_at_once() noexcept;
    void reload();
    [[nodiscard]] Home *find_home(std::string_view name) const;

    const config::Config configuration_;
    io::Worker control_;
    ServiceManager service_manager_;
    command::EventFeed feed_;
    std::vector<std::unique_ptr<Loop>> loops_;
    std::vector<std::unique_ptr<Home>> homes_;
    std::size_t homes_open_ = 0;
    bool accepting_ = false;
    bool ending_ = false;
    bool orderly_ = true;
    base::Timer
        last_resort_; ///< a request that no backend gives back, as from a disk that hangs in the kernel
    nbd::Server nbd_;
    admin::Server admin_;
    std::unique_ptr<Signals> signals_;
};

} // namespace nbdmpathd
