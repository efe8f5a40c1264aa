// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/completion_queue.hpp"
#include "block/device.hpp"
#include "block/extents.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <unistd.h>
#include <vector>

namespace fakes {

/// A disk in memory. Answers at once (that is: in the next step), or holds everything until it is let go.
class MemoryDevice final : public block::Device {
public:
    MemoryDevice(base::Scheduler &scheduler, const block::Geometry &geometry)
        : queue_(scheduler)
        , geometry_(geometry)
        , bytes_(geometry.size) {}
    ~MemoryDevice() = default;

    void submit(block::Request &request) noexcept override {
        ++submitted;
        last_fua = request.fua;
        if (holding)
            held_.push_back(request);
        else
            queue_.add(request, perform(request));
    }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return loss_epoch; }

    /// Carries out what is held, in order, and holds no more.
    void let_go() noexcept {
        holding = false;
        while (!held_.empty()) {
            block::Request &request = held_.pop_front();
            queue_.add(request, perform(request));
        }
    }
    /// Ends what is held for one client with an error: what a map does for nbd::ExportSessions::DropHeld.
    void drop_held(const block::Layer &origin) noexcept {
        held_.for_each([this, &origin](block::Request &request) {
            if (request.origin() != &origin)
                return;
            request.unlink();
            ++dropped;
            queue_.add(request, block::Status::path_error(EIO));
        });
    }
    [[nodiscard]] bool holds_any() const noexcept { return !held_.empty(); }
    [[nodiscard]] std::vector<std::byte> &bytes() noexcept { return bytes_; }

    bool holding = false;
    bool pipes = false; ///< puts what is read into the request's pipe, when it has one
    /// Decides about a request before it is carried out; success carries it out.
    std::function<block::Status(const block::Request &)> verdict;
    std::uint64_t loss_epoch = 0;
    std::uint64_t submitted = 0;
    std::uint64_t dropped = 0;
    bool last_fua = false;

private:
    block::Status perform(block::Request &request) noexcept {
        if (verdict) {
            const block::Status status = verdict(request);
            if (!status.ok())
                return status;
        }
        std::byte *at = bytes_.data() + request.offset;
        if (request.operation == block::Operation::read && pipes && request.pipe != nullptr)
            request.piped =
                ::write(request.pipe->in, at, request.length) == static_cast<ssize_t>(request.length);
        else if (request.operation == block::Operation::read)
            std::memcpy(request.data, at, request.length);
        else if (request.operation == block::Operation::write)
            std::memcpy(at, request.data, request.length);
        else if (request.operation == block::Operation::write_zeroes)
            std::memset(at, 0, request.length);
        else if (request.operation == block::Operation::block_status)
            look(request);
        return block::Status::success();
    }

    /// Blocks of 512 bytes that are zero are holes.
    void look(const block::Request &request) noexcept {
        request.extents->clear();
        for (std::uint64_t done = 0; done < request.length;) {
            const std::uint64_t size = std::min<std::uint64_t>(512, request.length - done);
            const std::byte *at = bytes_.data() + request.offset + done;
            const bool zero = std::all_of(at, at + size, [](std::byte byte) { return byte == std::byte{0}; });
            if (!request.extents->add(size, zero ? block::Extents::hole | block::Extents::zero
                                                 : block::Extents::allocated))
                return;
            done += size;
        }
    }

    block::CompletionQueue queue_;
    base::List<block::Request> held_;
    block::Geometry geometry_;
    std::vector<std::byte> bytes_;
};

} // namespace fakes
