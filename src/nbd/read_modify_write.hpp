// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/buffer_pool.hpp"
#include "base/object_pool.hpp"
#include "block/completion_queue.hpp"
#include "block/device.hpp"

namespace nbd {

/// A layer between all sessions of an export and its device, for clients that asked for no block sizes: takes
/// requests of any offset and length, and gives the device whole blocks. A block that a write changes in part
/// is read, changed and written; meanwhile no other write of any session to that block is let through. Where
/// the device's blocks are bytes it does nothing.
class ReadModifyWrite final : public block::Device, private block::Layer {
public:
    ReadModifyWrite(base::Scheduler &scheduler, block::Device &device) noexcept;
    ~ReadModifyWrite();

    void submit(block::Request &request) noexcept override;
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return device_.geometry(); }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return device_.generation(); }

    /// Ends, with an error, what this client has waiting here for others.
    void drop_waiting(const block::Layer &origin) noexcept;

private:
    struct Job;

    void completed(block::Request &request, block::Status status) noexcept override;
    [[nodiscard]] bool may_start(const Job &job) const noexcept;
    void start(Job &job) noexcept;
    void go_on(Job &job) noexcept;
    void begin_piece(Job &job) noexcept;
    void step(Job &job, block::Operation operation, std::uint64_t offset, std::uint64_t length,
              std::byte *data) noexcept;
    void end(Job &job, block::Status status) noexcept;
    void start_waiting() noexcept;

    base::Scheduler &scheduler_;
    block::Device &device_;
    base::BufferPool
        blocks_; ///< one for each job that needs one: a bound of its own, so that nobody waits in a circle
    base::ObjectPool<Job> pool_;
    base::List<Job> jobs_; ///< in the order of arrival
    std::size_t exclusive_ = 0;
    std::size_t waiting_ = 0;
    block::CompletionQueue finished_;
    base::Task start_waiting_;
};

} // namespace nbd
