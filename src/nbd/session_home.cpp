// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/session_home.hpp"

#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"

namespace nbd {

void SessionHome::adopt(Connection connection) {
    // Shared only because std::function wants to be copied.
    auto carried = std::make_shared<Connection>(std::move(connection));
    worker_.post_from_anywhere([home = shared_from_this(), carried] {
        if (home->sessions_ != nullptr)
            home->sessions_->add(std::move(*carried));
    });
}

} // namespace nbd
