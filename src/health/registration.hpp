// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "base/delegate.hpp"
#include "base/scheduler.hpp"
#include "block/reservation.hpp"
#include "block/scsi_talk.hpp"

#include <optional>
#include <string>

namespace health {

/// The reservation key of a map: with it each of its paths is registered before it carries I/O. A key that
/// somebody else has removed, by preempting or clearing it, is not registered again by itself: whoever did
/// that wanted this map's writes to be refused.
class Registrar {
public:
    struct Key {
        block::ReservationKey key = 0; ///< 0: none
        bool keep_through_power_loss = false;
        bool operator==(const Key &) const = default;
    };

    /// From now on. Who was registered with another one must be so again.
    void set(const Key &key) noexcept {
        key_ = key;
        seen_generation_.reset();
    }
    [[nodiscard]] const Key &key() const noexcept { return key_; }
    [[nodiscard]] bool wanted() const noexcept { return key_.key != 0; }

    /// What a unit says of its registrations before a path registers: whether the key was there, and is not
    /// any more though the target has not lost its memory since.
    [[nodiscard]] bool was_removed(const block::RegisteredKeys &registered) const noexcept;
    /// The key is registered.
    void saw(const block::RegisteredKeys &registered) noexcept;

private:
    Key key_;
    std::optional<std::uint32_t> seen_generation_; ///< with the key in it
};

/// The registration of one path.
class Registration {
public:
    /// `ended` is called from the loop when start() has come to its end. The backend outlives it.
    Registration(base::Scheduler &scheduler, Registrar &registrar, backend::Backend &backend,
                 base::Delegate<> ended);

    /// Registers the key in force, or unregisters the path if there is none.
    void start();
    [[nodiscard]] bool running() const noexcept { return talk_.running(); }
    /// Whether nothing is to be done: the path is registered with the key in force, or that was removed.
    [[nodiscard]] bool done() const noexcept { return done_with_ == registrar_.key(); }
    /// Somebody else has registered the path with the key in force.
    void take_as_done() noexcept { done_with_ = registrar_.key(); }
    /// The path is a new connection.
    void forget() noexcept;
    /// Why the path is not registered; empty: it is.
    [[nodiscard]] const std::string &problem() const noexcept { return problem_; }
    /// Somebody removed the key: the path is used, and the unit refuses what it has reserved.
    [[nodiscard]] bool removed() const noexcept { return removed_; }

private:
    block::ScsiTalk<int> run();
    block::ScsiTalk<std::optional<block::RegisteredKeys>> read_keys();
    [[nodiscard]] bool is_well(const block::ScsiReply &reply);
    void over() noexcept;

    Registrar &registrar_;
    backend::Backend &backend_;
    base::Scheduler &scheduler_;
    base::Delegate<> ended_;
    std::optional<Registrar::Key> done_with_;
    std::string problem_;
    bool removed_ = false;
    bool again_ = false; ///< the connection or the key is another one than at the start
    block::ScsiTalk<int> talk_;
    base::Task over_;
};

} // namespace health
