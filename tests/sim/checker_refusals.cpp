// SPDX-License-Identifier: BSD-3-Clause
// Requests that the hardware handler does not let go to a path (semantics reference 4.9, `prepare`). No
// device sees them, so what becomes of them is found out afterwards.
#include "checker.hpp"

#include <algorithm>

namespace sim {

bool Checker::may_send(const PathDevice &device) {
    ++stamp_;
    paths.catch_up();
    catch_up_refusals();
    catch_up_locks();
    const auto found = std::ranges::find_if(
        open_ios_, [](const Io *io) { return io->where == Io::Where::with_map && io->is_with_path(); });
    Io *io = found == open_ios_.end() ? nullptr : *found;
    if (io == nullptr && !refused_.empty()) { // goes from the path that it was refused to another at once
        io = refused_.front();
        refusal_ends();
    }
    if (io == nullptr)
        verdict_.fail("nothing is sent, and the handler was asked");
    if (io == nullptr || !refusing[device.number])
        return true;
    verdict_.note("    {} may not go to {}", io->id, device_name(device.number));
    check_sent(*io, device);
    refused_.push_back(io);
    return false;
}

void Checker::catch_up_refusals() {
    while (!refused_.empty() && !refused_.front()->is_with_path())
        refusal_ends();
}

void Checker::refusal_ends() {
    Io &io = *refused_.front();
    refused_.pop_front();
    io.where = Io::Where::with_map;
    io.answer = block::Status::path_lost(ENOLINK);
    came_back(io, io.answer);
    delivered_io_ = &io;
    fate_ = fate_of(io, io.answer);
    if (hopeless())
        last_hopeless_ = stamp_;
}

} // namespace sim
