// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/completion_queue.hpp"
#include "block/device.hpp"

#include <functional>
#include <string>
#include <vector>

namespace fakes {

/// A path device under a test's thumb: answers at once (through its completion queue), with an error, or not
/// before release(). Writes its name into a journal the test gives, for each request it gets.
class FakeDevice final : public block::Device {
public:
    FakeDevice(base::Scheduler &scheduler, std::string name, std::vector<std::string> &journal)
        : name_(std::move(name))
        , journal_(journal)
        , finished_(scheduler) {
        geometry_.size = 1 << 20;
    }

    void submit(block::Request &request) noexcept override {
        journal_.push_back(name_ + (request.operation == block::Operation::flush ? " flush" : "") +
                           (tells_data ? told_data(request) : ""));
        if (holding)
            held_.push_back(request);
        else
            finished_.add(request, verdict ? verdict(request) : answer);
    }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_; }

    /// Answers everything that is held with `answer`, and holds no more.
    void release() {
        holding = false;
        while (!held_.empty())
            finished_.add(held_.pop_front(), answer);
    }
    /// The connection dies: what is held comes back as lost.
    void lose_connection() {
        ++generation_;
        while (!held_.empty())
            finished_.add(held_.pop_front(), lost);
    }
    [[nodiscard]] bool proven_dead() const noexcept override { return dead; }
    [[nodiscard]] const std::string &name() const { return name_; }

    block::Status answer;
    std::function<block::Status(const block::Request &)> verdict; ///< instead of `answer`, when not holding
    bool holding = false;
    block::Status lost = block::Status::path_lost(); ///< what a lost connection says
    bool dead = false;                               ///< the lost server has surely ended
    bool tells_data = false; ///< the journal has block and first byte of writes, and other changes

private:
    static std::string told_data(const block::Request &request) {
        const std::string block = std::to_string(request.offset / 4096);
        if (request.operation == block::Operation::write)
            return " " + block + "=" + static_cast<char>(*request.data) +
                   (request.length == 4096 ? "" : "*" + std::to_string(request.length / 4096));
        return request.operation == block::Operation::trim           ? " trim " + block
               : request.operation == block::Operation::write_zeroes ? " zero " + block
                                                                     : "";
    }

    std::string name_;
    std::vector<std::string> &journal_;
    block::CompletionQueue finished_;
    base::List<block::Request> held_;
    block::Geometry geometry_;
    std::uint64_t generation_ = 0;
};

} // namespace fakes
