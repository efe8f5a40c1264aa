// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"
#include "block/completion_queue.hpp"
#include "fakes/fake_scsi_port.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace fakes {

/// A backend that comes up and goes down when a test says so. Reads are answered with `answer`, or kept until
/// release(). Closes as the contract says.
class FakeBackend final : public backend::Backend {
public:
    explicit FakeBackend(base::Scheduler &scheduler)
        : unit(scheduler)
        , scheduler_(scheduler)
        , finished_(scheduler) {
        disk.size = 1 << 20;
    }

    void open(backend::Observer &observer) override { observer_ = &observer; }
    void close(base::Delegate<> closed) noexcept override {
        observer_ = nullptr;
        closed_ = closed;
        up_ = false;
        while (!held_.empty())
            finished_.add(held_.pop_front(), answer_at_close);
        scheduler_.post(end_);
    }
    void submit(block::Request &request) noexcept override {
        ++reads;
        offsets.push_back(request.offset);
        last_length = request.length;
        if (holding)
            held_.push_back(request);
        else if (up_)
            end(request);
        else
            finished_.add(request, block::Status::path_lost());
    }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return disk; }
    [[nodiscard]] bool up() const noexcept override { return up_; }
    [[nodiscard]] std::size_t in_flight() const noexcept override { return finished_.size(); }
    [[nodiscard]] std::string_view identity() const noexcept override { return says; }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return losses; }
    [[nodiscard]] block::ScsiPort *scsi() noexcept override {
        return port != nullptr ? port : is_scsi ? &unit : nullptr;
    }

    void come_up() {
        up_ = true;
        observer_->path_up(*this);
    }
    void go_down() {
        up_ = false;
        ++losses;
        while (!held_.empty())
            finished_.add(held_.pop_front(), block::Status::path_lost());
        observer_->path_down(*this, "gone");
    }
    void release() {
        holding = false;
        while (!held_.empty())
            end(held_.pop_front());
    }

    block::Geometry disk;
    void finish_closing() {
        closes_late = false;
        scheduler_.post(end_);
    }
    [[nodiscard]] bool opened() const noexcept { return observer_ != nullptr; }

    std::byte content{}; ///< of every byte
    std::string says;    ///< its identity
    bool is_scsi = false;
    FakeScsiPort unit;
    block::ScsiPort *port = nullptr; ///< its SCSI side, in place of `unit`
    block::Status answer;
    block::Status answer_at_close = block::Status::path_lost(); ///< to what it holds then
    std::uint64_t losses = 0;
    std::vector<std::uint64_t> offsets; ///< of the requests it was given
    bool holding = false;
    bool closes_late = false;
    int reads = 0;
    std::uint64_t last_length = 0;

private:
    void end(block::Request &request) noexcept {
        if (answer.ok() && request.operation == block::Operation::read && request.data != nullptr)
            std::fill_n(request.data, request.length, content);
        finished_.add(request, answer);
    }
    void end_closing() noexcept {
        if (closes_late)
            return; // until finish_closing()
        if (finished_.empty())
            closed_();
        else
            scheduler_.post(end_);
    }

    base::Scheduler &scheduler_;
    base::Task end_{base::Delegate<>::to<&FakeBackend::end_closing>(*this)};
    base::Delegate<> closed_;
    block::CompletionQueue finished_;
    base::List<block::Request> held_;
    backend::Observer *observer_ = nullptr;
    bool up_ = false;
};

} // namespace fakes
