// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "base/scheduler.hpp"
#include "block/scsi_port.hpp"
#include "command/maps.hpp"
#include "multipath/map.hpp"

#include <memory>
#include <variant>

namespace nbdmpathd {

/// A pass-through request that waits for a path that can take it (reference 2.16, R35): it looks every 10 ms,
/// for 5 s at most. On the map's worker; the map's owner gives it up before the map goes.
class Passing final : public command::Activity, public base::ListHook {
public:
    using Finish = command::MapAccess::Finish;
    Passing(base::Scheduler &scheduler, multipath::Map &map, std::string_view request, Finish finish);
    Passing(base::Scheduler &scheduler, multipath::Map &map, block::ScsiOrder order, Finish finish);
    ~Passing() override;

    /// The first look; may finish at once.
    void begin();
    /// Finishes with this error. A SCSI command that was sent is carried out all the same.
    void give_up(int error);

private:
    enum class Request : unsigned char { size, block_size, read_only };
    static Request parse(std::string_view word);
    void look() noexcept;
    void look_again(int error);
    void send(block::Device &device, const block::ScsiOrder &order);
    void answered(const block::ScsiReply &reply);
    void refuse_what_passes_by_the_map(const block::ScsiOrder &order) const;
    void finish(command::Outcome outcome);
    [[nodiscard]] static std::string answer_of(Request request, const block::Device &device);
    [[nodiscard]] std::string name_of(const block::Device &device) const;

    base::Scheduler &scheduler_;
    multipath::Map &map_;
    std::variant<Request, block::ScsiOrder> request_;
    Finish finish_;
    base::TimePoint end_;
    base::Timer again_;
    std::string path_;            ///< that has the command
    std::shared_ptr<bool> waits_; ///< who answers the command looks here whether we still do
};

} // namespace nbdmpathd
