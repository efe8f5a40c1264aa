// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/maps.hpp"

#include <functional>
#include <memory>

namespace io {
class Worker;
}

namespace nbdmpathd {

/// Something that was begun at a map's home worker for a command (command::Maps::begin). On the control loop;
/// its end there calls off, over at the worker, what is still going on. The workers outlive it, the map need
/// not: it ends all its activities before it is destroyed.
class Errand final : public command::Call::Waiting {
public:
    /// Runs on `home`, before anything that is posted there later.
    using Beginning = std::function<std::unique_ptr<command::Activity>(command::MapAccess::Finish finish)>;
    Errand(io::Worker &control, io::Worker &home, Beginning beginning, command::Maps::Ended ended);
    ~Errand() override;

private:
    struct Shared;
    io::Worker &home_;
    std::shared_ptr<Shared> shared_;
};

} // namespace nbdmpathd
