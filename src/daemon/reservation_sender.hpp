// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "block/reservation.hpp"
#include "block/scsi_talk.hpp"
#include "command/persist_order.hpp"
#include "daemon/path_set.hpp"
#include "health/path_keeper.hpp"
#include "multipath/map.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace nbdmpathd {

/// How commands for persistent reservations go over the paths of a map, and their answers come back. Nothing
/// here waits for a path.
class ReservationSender {
public:
    using Names = std::vector<std::string>;
    using Replies = std::vector<block::ScsiReply>;
    template <typename T>
    using Talk = block::ScsiTalk<T>;

    ReservationSender(multipath::Map &map, PathSet &paths, health::PathKeeper &keeper) noexcept
        : map_(map)
        , paths_(paths)
        , keeper_(keeper) {}

    /// The paths whose units can be asked, in the table's order, those that carry I/O first.
    [[nodiscard]] Names up_paths() const;
    /// Throws base::Error when there is none.
    [[nodiscard]] Names usable_paths() const;

    /// Whether the map uses the path now.
    [[nodiscard]] bool carries(std::string_view name) const;

    Talk<block::ScsiReply> send(std::string name, block::ReserveOutOrder order);
    /// To all of them at once; the answers are in their order.
    Talk<Replies> send_to_all(Names names, block::ReserveOutOrder order);
    /// To one after the other, until it ends well: there. Throws base::Error when it does so nowhere.
    Talk<std::string> send_to_one(block::ReserveOutOrder order);

    /// The answer of the first unit that gives one. Throws base::Error.
    Talk<std::vector<std::byte>> ask(block::ReserveIn what, std::uint16_t length = 8192);
    Talk<block::Reservation> held();

private:
    Talk<block::ScsiReply> send_order(std::string name, block::ScsiOrder order);

    multipath::Map &map_;
    PathSet &paths_;
    health::PathKeeper &keeper_;
};

[[nodiscard]] bool is_good(const block::ScsiResult &result) noexcept;
[[nodiscard]] bool is_conflict(const block::ScsiResult &result) noexcept;
/// The path went away: it is registered anew when it comes back.
[[nodiscard]] bool is_gone(const block::ScsiResult &result) noexcept;
/// The path cannot do it now, as one in an ALUA state that does not permit it.
[[nodiscard]] bool is_not_ready(const block::ScsiResult &result) noexcept;
/// The unit's "no" as an error.
[[nodiscard]] base::Error refusal(const std::string &path, const block::ScsiResult &result);

} // namespace nbdmpathd
