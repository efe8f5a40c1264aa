// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/request.hpp"
#include "setup.hpp"

#include <array>
#include <optional>

namespace sim {

/// The order of everything that happens in a run: time stands still within a step.
using Stamp = unsigned;

struct Io;

class IoObserver {
public:
    virtual void io_ended(Io &io, block::Status status) noexcept = 0;

protected:
    ~IoObserver() = default;
};

/// Whoever sends requests, until it dies.
class Client final : public block::Layer {
public:
    Client(IoObserver &observer, Stamp now) noexcept
        : connected(now)
        , observer_(observer) {}

    const Stamp connected;
    std::uint64_t epoch = 0;
    bool alive = true;
    Stamp heard_of_loss = 0; ///< when a flush failed since something was lost

private:
    void completed(block::Request &request, block::Status status) noexcept override;
    [[nodiscard]] bool abandoned() const noexcept override { return !alive; }
    IoObserver &observer_;
};

/// A request of a client, with what is known about where it is.
struct Io final : block::Request {
    enum class Where { with_map, at_device, done };
    /// Of what waits in the map. `barred`: its range is locked; `held_or_barred`: one of them; `covered`: it
    /// waits for a flush, with independent caches perhaps for another path; `in_doubt`: for two paths to be
    /// read; `unsure`: not foreseen.
    enum class Line {
        held,
        delayed,
        barred,
        held_or_barred,
        pushed_back,
        deferred,
        covered,
        in_doubt,
        unsure
    };
    /// The path that said EIO first.
    struct Doubted {
        unsigned group;
        unsigned device;
        bool fails = false; ///< it reads no more
        bool second_fails = false;
    };

    unsigned id = 0;
    Client *client = nullptr;
    block::Operation asked = block::Operation::read;
    unsigned first_block = 0;
    unsigned block_count = 0;
    bool asked_fua = false;
    std::array<std::uint64_t, 4> words{};

    Stamp submitted = 0;
    Stamp sent = 0; ///< a flush: which changes it covers
    Where where = Where::with_map;
    Line line = Line::held;
    unsigned batch = 0;       ///< of those that one resume let in; 0: never gated
    bool failed_late = false; ///< while a suspend waited for it: in no order with what was held then
    bool came_late = false;   ///< deferred, before it was let in
    bool lost_place = false;  ///< it changed lines within a step: in no order with others
    base::TimePoint due;      ///< when delayed
    unsigned device = 0;      ///< the last that had it
    unsigned group = 0;       ///< index in the table
    bool may_stay = false;    ///< it may go to `device` again without a choice
    unsigned tries_there = 0; ///< answers "again" since it came to that path
    bool answered = false;    ///< `answer` is a device's
    block::Status answer;
    std::optional<Doubted> doubted{};

    /// The client sends it; from now on the last frame of a request that is with a path can be told.
    void prepare() noexcept {
        struct Nobody final : block::Layer {
            void completed(block::Request &, block::Status) noexcept override {}
        };
        static Nobody nobody;
        push(*client);
        push(nobody);
        push(nobody, &nobody);
        mark_ = &nobody;
        complete({});
        complete({});
    }
    /// Or so close to it that it comes back as if it had been.
    [[nodiscard]] bool is_with_path() const noexcept { return popped() == mark_; }

    [[nodiscard]] bool waits() const noexcept {
        return where == Where::with_map && line != Line::covered && line != Line::in_doubt;
    }
    [[nodiscard]] bool is_flush() const noexcept { return asked == block::Operation::flush; }
    [[nodiscard]] bool changes_data() const noexcept {
        return asked == block::Operation::write || asked == block::Operation::trim ||
               asked == block::Operation::write_zeroes;
    }
    [[nodiscard]] bool makes_stable() const noexcept { return is_flush() || (changes_data() && asked_fua); }
    /// Whether it is to the letter what the client asked for.
    [[nodiscard]] bool unchanged() const noexcept {
        return operation == asked && fua == asked_fua && offset == std::uint64_t{first_block} * block_size &&
               length == std::uint64_t{block_count} * block_size &&
               data == reinterpret_cast<const std::byte *>(words.data());
    }

private:
    const void *mark_ = nullptr;
};

inline void Client::completed(block::Request &request, block::Status status) noexcept {
    observer_.io_ended(static_cast<Io &>(request), status);
}

} // namespace sim
