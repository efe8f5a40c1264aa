// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"

#include <memory>

namespace io {
class Worker;
}

namespace nbdmpathd {

/// On the worker, SIGTERM and SIGINT call `end`, each time; SIGHUP calls `reload`. SIGPIPE is ignored.
class Signals {
public:
    Signals(io::Worker &worker, base::Delegate<> end, base::Delegate<> reload);
    ~Signals();

private:
    struct Set;
    std::unique_ptr<Set> set_;
};

} // namespace nbdmpathd
