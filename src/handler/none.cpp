// SPDX-License-Identifier: BSD-3-Clause
#include "handler/handler_list.hpp"

namespace handler {

const Type none{"none", "paths need no activation",
                [](base::Scheduler &, Listener &) -> std::unique_ptr<Handler> { return nullptr; }};

} // namespace handler
