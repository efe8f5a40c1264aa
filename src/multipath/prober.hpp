// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/probe_read.hpp"

#include <memory>
#include <vector>

namespace multipath {

/// Reads one block on every active path of a group (semantics reference R34), past the selector. On the map's
/// worker.
class Prober final : private block::Layer {
public:
    class Owner {
    public:
        virtual void path_probed(Path &path, block::Status status) noexcept = 0;
        /// All have answered.
        virtual void probe_over() noexcept = 0;

    protected:
        ~Owner() = default;
    };

    explicit Prober(Owner &owner) noexcept;
    ~Prober();

    /// Not while one runs. Ends with probe_over(), not before this returned; without an active path at no
    /// time. Each read is of the path's smallest block; a device without one whole block is not read.
    void start(const PriorityGroup &group);
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }

private:
    void completed(block::Request &request, block::Status status) noexcept override;

    Owner &owner_;
    std::vector<std::unique_ptr<ProbeRead>> reads_; ///< by path of the group; kept for the next probe
    std::size_t in_flight_ = 0;
};

} // namespace multipath
