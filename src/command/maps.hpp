// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"
#include "command/call.hpp"
#include "command/map_snapshot.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace base {
class Error;
}

namespace command {

class EventFeed;
struct PersistOrder;

/// Something that takes its time, on a map's home worker. Ended before it has finished: called off.
class Activity {
public:
    virtual ~Activity() = default;
};

/// How it ended. Plain values: they cross threads.
struct Outcome {
    int error = 0;                  ///< an errno value; 0: well
    std::string text;               ///< of the error
    std::vector<std::string> lines; ///< of the reply
};

/// One map as commands see it: on its home worker, and only while a step of Maps::visit() runs. A command
/// that needs more of a map gets one more function here. Nothing here waits for a path.
class MapAccess {
public:
    [[nodiscard]] virtual MapSnapshot snapshot() const = 0;
    /// Zero while the size is not known yet.
    [[nodiscard]] virtual std::uint64_t size_sectors() const = 0;
    /// A dm message, verb and arguments. Throws base::Error and then has changed nothing.
    virtual void message(std::span<const std::string> words) = 0;
    /// Drops the inactive table.
    virtual void clear() = 0;

    // What takes its time. `finish` is called once, inside the call or later, on the home worker, and does
    // not end the activity; never after the activity has ended.
    using Finish = std::function<void(Outcome outcome)>;
    /// A dm table, with or without `0 <sectors> multipath` in front, into the inactive slot.
    virtual std::unique_ptr<Activity> load(std::string_view table, Finish finish) = 0;
    virtual std::unique_ptr<Activity> suspend(bool noflush, Finish finish) = 0;
    virtual std::unique_ptr<Activity> resume(bool noflush, Finish finish) = 0;
    /// A request to the current path, answered by one line.
    virtual std::unique_ptr<Activity> pass_through(std::string_view request, Finish finish) = 0;
    /// A SCSI command to the current path, answered by lines (block::scsi_reply_lines()).
    virtual std::unique_ptr<Activity> pass_order(block::ScsiOrder order, Finish finish) = 0;
    enum class UnitQuestion : std::uint8_t { inquiry, luns, ready };
    /// `path` empty: any that is up; `ready` asks every path.
    virtual std::unique_ptr<Activity> ask_units(UnitQuestion question, std::string path, Finish finish) = 0;
    /// SCSI persistent reservations. Once begun it is carried to its end, whoever calls it off.
    virtual std::unique_ptr<Activity> persist(const PersistOrder &order, Finish finish) = 0;
    virtual std::unique_ptr<Activity> probe(Finish finish) = 0;

    /// Fault injection on one path of the map. Each throws base::Error, and then has changed nothing.
    virtual void inject(const std::string &path, std::string_view rule) = 0;
    virtual void remove_injected(const std::string &path) = 0;
    /// A line for each rule in force.
    [[nodiscard]] virtual std::vector<std::string> injected_rules(const std::string &path) = 0;

    [[nodiscard]] virtual std::vector<ClientSnapshot> clients() const = 0;
    /// Hangs up on a client; false when the map has none of that number.
    virtual bool kick(std::uint64_t client) = 0;

protected:
    ~MapAccess() = default;
};

/// A map that somebody wants to have.
struct NewMap {
    std::string name;
    std::string table;                      ///< as for MapAccess::load()
    std::optional<std::uint64_t> size;      ///< bytes; else what the table says, or its paths
    bool kernel_compat = false;             ///< and the defaults that come with it
    std::optional<bool> independent_caches; ///< else as the paths are (design D4)
    std::chrono::milliseconds no_path_timeout{0};
};

/// Every map of the daemon. Implemented by the daemon, called on the control loop.
class Maps {
public:
    /// Runs on the map's home worker. Throws base::Error; keeps nothing of the map. Holds no Call: it may be
    /// destroyed on either worker.
    using Step = std::function<void(MapAccess &map)>;
    /// Runs on the control loop: nothing when the step ended well, else what it threw.
    using Done = std::function<void(const std::optional<base::Error> &error)>;

    /// In the order of the configuration.
    [[nodiscard]] virtual std::vector<std::string> names() const = 0;
    [[nodiscard]] virtual bool has(std::string_view map) const = 0;

    /// Posts `step` to the map's home worker and, when it has run, `done` back to the control loop: exactly
    /// once, inside this call or later, with ENXIO when there is no such map (any more). Visits to one map
    /// run in order. `done` is only moved, so that it is destroyed on the control loop.
    virtual void visit(const std::string &map, Step step, Done done) = 0;

    /// Begins something at a map's home worker that takes its time. Throws base::Error; keeps nothing of the
    /// map but in what it returns. Holds no Call.
    using Beginning = std::function<std::unique_ptr<Activity>(MapAccess &map, MapAccess::Finish finish)>;
    using Ended = std::function<void(const Outcome &outcome)>;
    /// Posts `beginning` to the map's home worker and, when what it began has finished, `ended` back to the
    /// control loop: once, inside this call or later, with ENXIO when there is no such map. Calls it off, if
    /// still to be, when the result is destroyed: on the control loop, `ended` is not called any more.
    [[nodiscard]] virtual std::unique_ptr<Call::Waiting> begin(const std::string &map, Beginning beginning,
                                                               Ended ended) = 0;

    /// Makes a map with a staged table; it can be seen once that has succeeded. As begin(); called off, there
    /// is no map. Throws base::Error: EINVAL for a bad name, EBUSY for one that is taken.
    [[nodiscard]] virtual std::unique_ptr<Call::Waiting> create(const NewMap &map, Ended ended) = 0;
    /// EBUSY while clients are connected. Throws base::Error(ENXIO).
    virtual void remove(const std::string &map, Done done) = 0;
    /// Clients stay, new ones find the map by its new name. Throws base::Error: ENXIO, EINVAL, EBUSY.
    virtual void rename(const std::string &map, const std::string &name, Done done) = 0;

    /// Looks for iSCSI units behind portals and proposes a configuration. As begin(), without a map. Throws
    /// base::Error: EINVAL for a wrong URI, EBUSY when too many are looking already.
    [[nodiscard]] virtual std::unique_ptr<Call::Waiting> discover(const std::vector<std::string> &uris,
                                                                  Ended ended) = 0;

    /// What happens in the maps, delivered on the control loop in each map's own order, and before the `done`
    /// of any step that ran after it.
    [[nodiscard]] virtual EventFeed &events() noexcept = 0;

protected:
    ~Maps() = default;
};

} // namespace command
