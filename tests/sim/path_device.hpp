// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"
#include "disk.hpp"

#include <deque>
#include <list>
#include <memory>

namespace sim {

class PathDevice;

/// Hears of what goes into a device and comes out of it.
class DeviceObserver {
public:
    /// Which client's request that is; nullptr: one of the map's own.
    virtual Io *io_of(block::Request &request) noexcept = 0;
    virtual void sent(PathDevice &device, block::Request &request) noexcept = 0;
    virtual void delivering(PathDevice &device, block::Request &request, block::Status status) noexcept = 0;
    virtual void delivered() noexcept = 0;
    [[nodiscard]] virtual Stamp stamp() noexcept = 0;

protected:
    ~DeviceObserver() = default;
};

/// The end of a path: does what it was told to do with the next requests; else it carries them out and
/// answers in the next step.
class PathDevice final : public block::Device {
public:
    struct Answer {
        block::Status status;
        base::Duration delay{};
        bool carried_out = false; ///< although it answers an error, or before it answers
    };

    /// What becomes of what was not answered when the connection is lost: the server ended, or is only out
    /// of sight.
    enum class End : unsigned { not_done, done, in_doubt };

    /// `ghosts_within`: what is in doubt may land during this time.
    PathDevice(unsigned number, base::Scheduler &scheduler, Disk &disk, DeviceObserver &observer,
               base::Duration ghosts_within);
    ~PathDevice();

    void submit(block::Request &request) noexcept override;
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_; }
    [[nodiscard]] bool proven_dead() const noexcept override { return proven_dead_; }

    /// For each of the next requests.
    void will_answer(const Answer &answer) { answers_.push_back(answer); }
    void hang() noexcept { hanging_ = true; }
    /// What hangs is answered, and what it was told to do is forgotten.
    void release() noexcept;
    /// The connection is lost; or that what was at its other end has ended.
    void die(End end) noexcept;
    /// The server that is there now, or a new one, answers.
    void revive() noexcept { alive_ = true; }
    /// Somebody ends the server and starts it again, and no path knows.
    void restart() noexcept;

    [[nodiscard]] bool alive() const noexcept { return alive_; }
    [[nodiscard]] std::size_t busy() const noexcept { return taken_.size(); }
    const unsigned number;

private:
    struct Taken;
    struct Ghost;
    void carry_out(Taken &taken) noexcept;
    void haunt(Taken &taken);
    void end_server() noexcept;
    void finish(Taken &taken) noexcept;
    void deliver() noexcept;

    base::Scheduler &scheduler_;
    Disk &disk_;
    DeviceObserver &observer_;
    const base::Duration ghosts_within_;
    Random random_;
    block::Geometry geometry_;
    std::uint64_t generation_ = 0;
    bool alive_ = true;
    bool proven_dead_ = false;
    bool hanging_ = false;
    std::deque<Answer> answers_;
    std::deque<std::unique_ptr<Taken>> taken_;
    base::Task deliver_;
    std::list<Ghost> ghosts_;
};

} // namespace sim
