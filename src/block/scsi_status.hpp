// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/request.hpp"

#include <chrono>

namespace block {

/// How a SCSI command ended.
struct ScsiResult {
    int status =
        0; ///< the status byte; what is none (a library's "cancelled", "timed out") is the path's fault
    bool has_sense = false; ///< valid sense data came with it:
    bool deferred = false;  ///< of an earlier command (response codes 71h, 73h)
    std::uint8_t key = 0;
    std::uint8_t asc = 0;
    std::uint8_t ascq = 0;
};

/// How long a unit that says "not yet" is asked again, once a second, before its path is at fault.
struct ScsiTimeouts {
    std::chrono::seconds io{30};
    std::chrono::seconds transition{255}; ///< of its port group's access state, as the unit reported it
};

/// What that means: for everybody, and what the path's own backend and its hardware handler do beside it.
struct ScsiOutcome {
    Status status;
    bool recheck_alua = false;     ///< read the access states of the port groups again
    bool transitioning = false;    ///< the access state is changing: until then no state is known
    bool reread_capacity = false;  ///< the size changed; smaller than the map: fail the path
    bool clear_capability = false; ///< the unit does not know this operation: do not send it again
    bool disconnected = false;     ///< the unit is not there any more (unmapped)

    bool operator==(const ScsiOutcome &) const = default;
};

/// The class of a command's end (semantics reference 4.6). `operation`: what the command was sent for.
ScsiOutcome classify_scsi(const ScsiResult &result, Operation operation, ScsiTimeouts timeouts = {}) noexcept;

} // namespace block
