// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "block/status.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace block {

enum class Operation : std::uint8_t { read, write, flush, trim, write_zeroes, cache, block_status };

class Extents;
class Request;

/// The two ends of a pipe, non-blocking; whoever lends it owns it.
struct Pipe {
    int in = -1;
    int out = -1;
};

/// Whoever sends a request on and hears of its end: a session, a map, a fault injector.
class Layer {
public:
    /// `request` is the layer's again; its own frame is already taken off. Never called from inside submit().
    virtual void completed(Request &request, Status status) noexcept = 0;
    /// Whoever made requests and wants no more done for them: its client is gone (design D5). What is with a
    /// path ends there; it is not sent again and does not wait.
    [[nodiscard]] virtual bool abandoned() const noexcept { return false; }

protected:
    ~Layer() = default;
};

/// One I/O on its way down the layers and back. Owned by who made it (a session takes it from a pool); lent
/// to a device by submit() until completed(). At any time it stands in at most one list, that of the layer it
/// is at.
class Request : public base::ListHook {
public:
    Operation operation = Operation::read;
    bool fua = false;       ///< write, trim, write_zeroes: on stable storage before completion
    bool no_hole = false;   ///< write_zeroes: allocate
    bool fast_zero = false; ///< write_zeroes: ENOTSUP at once unless faster than writing
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  ///< bytes; 0 for flush
    std::byte *data = nullptr; ///< read and write: `length` bytes, the requester's until completion
    /// write: `data` is a whole buffer of the pool that the map's requests come from, taken with this size;
    /// 0: it is not. Who is given it may keep the buffer, for giving it back to the pool, and says so by
    /// `data_kept`.
    std::size_t pooled = 0;
    bool data_kept = false;
    /// read: an empty pipe with room for the data, or none. A device that can put all of them there without a
    /// copy may do so instead of filling `data`, and says so by `piped`.
    Pipe *pipe = nullptr;
    bool piped = false;
    Extents *extents = nullptr; ///< block_status: where the answer goes; the requester's, as `data`
    /// The device's loss epoch when the client connected: a flush of an older epoch must fail (design D4,
    /// D10).
    std::uint64_t loss_epoch = 0;
    /// For a map only: when the request was first held (0: never), how often its path asked to try again.
    std::int64_t held_since_ns = 0;
    std::uint8_t retries = 0;
    std::uint64_t sent_generation = 0; ///< the device's, when it was given the request
    std::uint64_t sent_number = 0;     ///< FUA, for a map only: the last change that was kept by then
    /// For a map only: the range that is locked for this request (RangeLocks), 0: none; and its place among
    /// the requests that a path has and that change data.
    std::uint32_t range_lock = 0;
    struct Change : base::ListHook {
        explicit Change(Request &its_request) noexcept
            : request(its_request) {}
        Request &request;
    };
    Change change{*this};
    /// When a path was given the request; while a map lets it wait for a time, until when.
    std::int64_t started_ns = 0;
    /// For the device at the end only: a word of its own.
    std::uint64_t device_word = 0;

    /// A layer that passes a request on puts itself here first, with what it needs to remember.
    struct Frame {
        Layer *layer;
        void *pointer;
    };
    static constexpr std::size_t depth = 6;

    void push(Layer &layer, void *pointer = nullptr) noexcept {
        assert(frames_in_use_ < depth);
        frames_[frames_in_use_++] = {&layer, pointer};
    }
    /// Who made the request.
    [[nodiscard]] const Layer *origin() const noexcept {
        return frames_in_use_ == 0 ? nullptr : frames_[0].layer;
    }
    /// The pointer of the frame that was taken off last: valid inside completed() and until the request is
    /// passed on again.
    [[nodiscard]] void *popped() const noexcept { return frames_[frames_in_use_].pointer; }

    [[nodiscard]] bool changes_data() const noexcept {
        return operation == Operation::write || operation == Operation::trim ||
               operation == Operation::write_zeroes;
    }

    /// A FLUSH, or with FUA.
    [[nodiscard]] bool makes_stable() const noexcept { return fua || operation == Operation::flush; }

    /// Hands the request back to the layer above. The request may be gone afterwards.
    void complete(Status status) noexcept {
        assert(frames_in_use_ > 0 && !linked());
        Layer &layer = *frames_[--frames_in_use_].layer;
        layer.completed(*this, status);
    }

private:
    std::array<Frame, depth> frames_{};
    std::uint8_t frames_in_use_ = 0;
};

} // namespace block
