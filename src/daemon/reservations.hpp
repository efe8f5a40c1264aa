// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "base/scheduler.hpp"
#include "block/scsi_talk.hpp"
#include "command/maps.hpp"
#include "command/persist_order.hpp"
#include "daemon/path_set.hpp"
#include "daemon/reservation_sender.hpp"
#include "health/path_keeper.hpp"
#include "multipath/map.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nbdmpathd {

/// SCSI persistent reservations of one map: to the units all paths are one initiator with one key, as
/// libmpathpersist has it. A registration goes to every path; a reservation is held by one of them for all.
/// One order after the other, each carried to its end whoever asked for it. On the map's worker.
class Reservations {
public:
    using Finish = command::MapAccess::Finish;
    /// `home`: what suspends and resumes the map.
    Reservations(base::Scheduler &scheduler, multipath::Map &map, PathSet &paths, health::PathKeeper &keeper,
                 command::MapAccess &home);
    ~Reservations();

    [[nodiscard]] std::unique_ptr<command::Activity> begin(const command::PersistOrder &order, Finish finish);

private:
    struct Job;
    class Asker;
    using Names = std::vector<std::string>;
    using Lines = std::vector<std::string>;
    template <typename T>
    using Talk = block::ScsiTalk<T>;

    void begin_next() noexcept;
    Talk<int> carry_out(std::shared_ptr<Job> job);
    Talk<Lines> read(command::PersistOrder order);
    Talk<Lines> change(block::ReserveOutOrder order);
    Talk<int> release_before_leaving(block::ReserveOutOrder order, health::Registrar::Key old);
    Talk<Lines> register_paths(block::ReserveOutOrder order);
    /// How the paths took a key.
    struct Registration {
        Names changed;
        Names later; ///< those that are to try again when they are back
        Lines lines; ///< for the user, of the others
        std::optional<base::Error> error;
    };
    Registration look_at(const Names &names, const ReservationSender::Replies &replies) const;
    Talk<int> undo_registration(Names changed, health::Registrar::Key key);
    Talk<int> take_over_from_missing_path(block::ReservationKey old_key);
    Talk<Lines> reserve(block::ReserveOutOrder order);
    Talk<Lines> release(block::ReserveOutOrder order);
    Talk<Lines> clear(block::ReserveOutOrder order);
    Talk<Lines> preempt(block::ReserveOutOrder order);
    Talk<int> preempt_ourselves(block::ReserveOutOrder order, bool release_then);
    Talk<int> preempt_and_register(block::ReserveOutOrder order, bool release_then);

    Talk<int> note_keys();
    void require_scsi_paths() const;
    void require_key(const block::ReserveOutOrder &order) const;

    base::Scheduler &scheduler_;
    multipath::Map &map_;
    PathSet &paths_;
    health::PathKeeper &keeper_;
    command::MapAccess &home_;
    ReservationSender sender_;
    std::deque<std::shared_ptr<Job>> jobs_; ///< the first one is under way
    Talk<int> talk_;
    base::Task next_;
};

} // namespace nbdmpathd
