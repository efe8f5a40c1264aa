// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "base/scheduler.hpp"
#include "command/maps.hpp"
#include "multipath/map.hpp"

namespace nbdmpathd {

/// A pass-through request that waits for a path that can take it (reference 2.16, R35): it looks every 10 ms,
/// for 5 s at most. On the map's worker; the map's owner gives it up before the map goes.
class Passing final : public command::Activity, public base::ListHook {
public:
    using Finish = command::MapAccess::Finish;
    Passing(base::Scheduler &scheduler, multipath::Map &map, std::string_view request, Finish finish);
    ~Passing() override;

    /// The first look; may finish at once.
    void begin();
    /// Finishes with this error.
    void give_up(int error);

private:
    enum class Request : unsigned char { size, block_size, read_only };
    static Request parse(std::string_view word);
    void look() noexcept;
    [[nodiscard]] std::string answer_of(const block::Device &device) const;

    base::Scheduler &scheduler_;
    multipath::Map &map_;
    Request request_;
    Finish finish_;
    base::TimePoint end_;
    base::Timer again_;
};

} // namespace nbdmpathd
