// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace nbdmpathd {

/// Where a client of ours is this host's own kernel, writing memory back may need us: we must then not wait
/// for memory that only we can free (design, section 4). Locks the memory, marks this thread and those it
/// starts as writing back, and asks not to be killed for memory, each where it is permitted; logs what is
/// not.
void resist_memory_pressure();

} // namespace nbdmpathd
