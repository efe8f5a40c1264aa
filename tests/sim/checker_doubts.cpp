// SPDX-License-Identifier: BSD-3-Clause
// `eio: verify` (semantics reference 4.4): another path is asked, and when that says EIO too, both are read.
#include "checker.hpp"

#include <algorithm>
#include <utility>

namespace sim {

/// What becomes of it for that reason; nothing: what becomes of any request.
std::optional<Checker::Fate> Checker::fate_in_doubt(Io &io, block::Status status) {
    const bool is_eio = status == block::Status::path_error(EIO) && !shut_down_;
    if (!io.doubted) {
        other_path_ = is_eio && io.client->alive ? paths.other_than(io.group, io.device) : nullptr;
        if (other_path_ == nullptr)
            return std::nullopt;
        io.doubted = {.group = io.group, .device = io.device};
        return Fate::other_path;
    }
    if (is_eio) {
        io.line = Io::Line::in_doubt;
        return Fate::stays;
    }
    const Io::Doubted first = *std::exchange(io.doubted, std::nullopt);
    if (!status.is_path_error())
        paths.fail(*paths.find(first.group, first.device));
    return std::nullopt;
}

void Checker::doubt_read_sent(const PathDevice &device, block::Request &request) {
    Io &io = *delivered_io_;
    if (device.number != io.device && device.number != io.doubted->device)
        verdict_.fail("{} was read because of request {}", device_name(device.number), io.id);
    doubt_reads_[&request] = &io;
}

/// False: it is no read of that kind.
bool Checker::doubt_read_ends(const PathDevice &device, block::Request &request, block::Status status) {
    const auto found = doubt_reads_.find(&request);
    if (found == doubt_reads_.end())
        return false;
    Io &io = *found->second;
    doubt_reads_.erase(found);
    Io::Doubted &doubted = *io.doubted;
    (device.number == io.device ? doubted.second_fails : doubted.fails) = status.is_path_error();
    if (std::ranges::any_of(doubt_reads_, [&io](const auto &read) { return read.second == &io; }))
        return true;
    const Io::Doubted over = *std::exchange(io.doubted, std::nullopt);
    if (over.fails)
        paths.fail(*paths.find(over.group, over.device));
    if (over.second_fails)
        paths.fail(*paths.find(io.group, io.device));
    delivered_io_ = &io;
    fate_ = Fate::done;
    if (!over.fails && !over.second_fails) {
        io.answer = block::Status::target_error(EIO);
    } else if (!shut_down_ && io.client->alive) {
        fate_ = Fate::stays;
        io.due = base::TimePoint{};
        if (gate.unsure())
            io.line = Io::Line::unsure;
        else
            wait(io, Io::Line::held);
        io.failed_late = gate.state == GateModel::State::suspending;
    }
    return true;
}

} // namespace sim
