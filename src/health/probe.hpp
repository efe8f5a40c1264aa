// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "base/delegate.hpp"
#include "block/scsi_port.hpp"

#include <cstdlib>
#include <memory>

namespace health {

/// Finds out whether a path works: a SCSI unit is asked whether it is ready (TEST UNIT READY), then one block
/// is read. On the worker.
class Probe final : private block::Layer {
public:
    enum class Answer {
        reads,
        inactive, ///< the unit's port must be activated first: standby, unavailable, or between
        fails,
    };
    using Told = base::Delegate<Answer>;

    /// Until the backend has closed.
    Probe(backend::Backend &backend, Told told);

    /// One that runs goes on.
    void start() noexcept;

private:
    void ask(block::ScsiPort &unit);
    void answered(block::ScsiPort &unit, const block::ScsiResult &result);
    void read() noexcept;
    void completed(block::Request &request, block::Status status) noexcept override;
    void end(Answer answer) noexcept;

    struct Free {
        void operator()(std::byte *buffer) const noexcept { std::free(buffer); }
    };
    backend::Backend &backend_;
    Told told_;
    bool running_ = false;
    unsigned attempts_ = 0;
    block::Request request_;
    std::unique_ptr<std::byte, Free> buffer_;
};

} // namespace health
