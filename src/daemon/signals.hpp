// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"

#include <memory>

namespace io {
class Worker;
}

namespace nbdmpathd {

/// SIGTERM and SIGINT: the first one calls `end` on the worker, the second one ends the process at once.
/// SIGHUP calls `reload`. SIGPIPE is ignored.
class Signals {
public:
    Signals(io::Worker &worker, base::Delegate<> end, base::Delegate<> reload);
    ~Signals();

private:
    struct Set;
    std::unique_ptr<Set> set_;
};

} // namespace nbdmpathd
