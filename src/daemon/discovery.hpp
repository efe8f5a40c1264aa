// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "command/maps.hpp"
#include "io/side_thread.hpp"

#include <string>
#include <vector>

namespace nbdmpathd {

/// A look for iSCSI units (command::Maps::discover), in a short-lived thread of its own: it waits for others.
/// On the control loop; destroyed early, nobody hears of its end.
class Discovery final : public command::Call::Waiting {
public:
    /// Throws base::Error: EINVAL for a wrong URI, EBUSY when too many are looking. `initiator`: empty for
    /// this machine's own name.
    Discovery(io::Worker &control, std::vector<std::string> uris, std::string initiator,
              command::Maps::Ended ended);
    Discovery(const Discovery &) = delete;
    Discovery &operator=(const Discovery &) = delete;
    ~Discovery() override = default;

private:
    void end(const command::Outcome &outcome);
    void overdue() noexcept;

    command::Maps::Ended ended_;
    io::SideThread thread_;
    base::Timer patience_;
};

} // namespace nbdmpathd
