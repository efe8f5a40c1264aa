// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/event_feed.hpp"
#include "command/maps.hpp"
#include "daemon/map_home.hpp"
#include "io/worker.hpp"
#include "nbd/exports.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace nbdmpathd {

/// Every map of the daemon and the workers they live on, for commands and for clients that look for an
/// export. On the control loop; the workers are its own. Whoever waits at a map goes before it.
class MapDirectory final : public command::Maps, public nbd::Exports {
public:
    /// `threads`: workers, at most. `fresh`: what a map is made like that somebody creates, with the memory
    /// of all maps: those there are share it in equal parts. `initiator`: as whom it looks for iSCSI units,
    /// empty for this machine's own name. `settled`: every map of start() has its first
    /// table, or cannot have it. `closed`: the end of close().
    MapDirectory(io::Worker &control, std::size_t threads, MapPlan fresh, std::string default_export,
                 std::string initiator, base::Delegate<> settled, base::Delegate<> closed);
    MapDirectory(const MapDirectory &) = delete;
    MapDirectory &operator=(const MapDirectory &) = delete;
    /// Before start(), or after close() has ended.
    ~MapDirectory();

    void start(std::vector<MapPlan> plans);
    /// Closes every map, each within `grace`.
    void close(base::Duration grace);

    // Commands.
    [[nodiscard]] std::vector<std::string> names() const override;
    [[nodiscard]] bool has(std::string_view map) const override;
    void visit(const std::string &map, Step step, Done done) override;
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> begin(const std::string &map, Beginning beginning,
                                                                Ended ended) override;
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> create(const command::NewMap &map,
                                                                 Ended ended) override;
    void remove(const std::string &map, Done done) override;
    void rename(const std::string &map, const std::string &name, Done done) override;
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> discover(const std::vector<std::string> &uris,
                                                                   Ended ended) override;
    [[nodiscard]] command::EventFeed &events() noexcept override { return feed_; }

    // Exports.
    [[nodiscard]] std::vector<std::shared_ptr<const nbd::ExportInfo>> list() const override;
    [[nodiscard]] std::shared_ptr<const nbd::ExportInfo> find(std::string_view name) const override;

private:
    struct Loop {
        io::Worker worker;
        std::thread thread;
        std::size_t maps = 0;
    };
    class Home;
    class Creation;
    using HomePointer = std::shared_ptr<Home>; ///< shared: a Creation looks whether it is still there

    HomePointer add(MapPlan plan, bool visible);
    void share_memory();
    void close(Home &home, base::Duration grace);
    Loop &least_loaded_loop();
    void run_at(Home &home, std::function<void(MapHome &)> step, Done done);
    /// Only those that can be seen.
    [[nodiscard]] Home *find_home(std::string_view name) const;
    Home &get_home(std::string_view name) const;
    void require_free(const std::string &name) const;
    void gone(Home &home);
    void tell_when_settled();

    io::Worker &control_;
    const std::size_t most_threads_;
    const MapPlan fresh_;
    std::string default_export_;
    const std::string initiator_;
    const base::Delegate<> settled_;
    const base::Delegate<> closed_;
    command::EventFeed feed_;
    std::vector<std::unique_ptr<Loop>> loops_;
    std::vector<HomePointer> homes_; ///< in the configuration's order, created ones behind
    bool all_settled_ = false;
    bool ending_ = false;
};

} // namespace nbdmpathd
