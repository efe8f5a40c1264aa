// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_talk.hpp"
#include "command/maps.hpp"
#include "daemon/path_set.hpp"
#include "multipath/map.hpp"

namespace nbdmpathd {

/// What an operator asks the units behind a map's paths: inquiry, luns, turs. Waits for answers, and not
/// long; never for a path. On the map's worker; once the paths have closed it does not touch them.
class UnitQuestion final : public command::Activity {
public:
    using Kind = command::MapAccess::UnitQuestion;
    using Finish = command::MapAccess::Finish;

    /// Asks at once. `path`: empty, any that is up. Throws base::Error when there is no such path.
    UnitQuestion(multipath::Map &map, PathSet &paths, Kind kind, std::string path, Finish finish);

private:
    using Lines = std::vector<std::string>;
    block::ScsiTalk<int> answer(Kind kind);
    block::ScsiTalk<Lines> inquire();
    block::ScsiTalk<Lines> list_units();
    block::ScsiTalk<Lines> test_units();
    /// Throws base::Error unless it ended well.
    block::ScsiTalk<std::vector<std::byte>> ask(block::ScsiOrder order);
    [[nodiscard]] std::string first_up() const;

    multipath::Map &map_;
    PathSet &paths_;
    std::string path_;
    Finish finish_;
    block::ScsiTalk<int> talk_;
};

} // namespace nbdmpathd
