// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/passing.hpp"

#include "base/error.hpp"
#include "block/scsi_order.hpp"
#include "block/scsi_text.hpp"

#include <algorithm>
#include <utility>

namespace nbdmpathd {

namespace {
using namespace std::chrono_literals;
constexpr auto interval = 10ms;
constexpr auto patience = 5s;
constexpr std::uint32_t smallest_sector = 512;
constexpr std::size_t longest_quote = 64;
} // namespace

Passing::Passing(base::Scheduler &scheduler, multipath::Map &map, std::string_view request, Finish finish)
    : scheduler_(scheduler)
    , map_(map)
    , request_(parse(request))
    , finish_(std::move(finish))
    , end_(scheduler.now() + patience)
    , again_(scheduler, base::Delegate<>::to<&Passing::look>(*this)) {}

Passing::Passing(base::Scheduler &scheduler, multipath::Map &map, block::ScsiOrder order, Finish finish)
    : scheduler_(scheduler)
    , map_(map)
    , request_(std::move(order))
    , finish_(std::move(finish))
    , end_(scheduler.now() + patience)
    , again_(scheduler, base::Delegate<>::to<&Passing::look>(*this)) {}

Passing::~Passing() {
    if (linked())
        unlink();
    if (waits_)
        *waits_ = false;
}

Passing::Request Passing::parse(std::string_view word) {
    if (word == "blkgetsize64")
        return Request::size;
    if (word == "blksszget")
        return Request::block_size;
    if (word == "blkroget")
        return Request::read_only;
    throw base::Error(ENOTTY, "unknown request '{}'; known are blkgetsize64, blksszget, blkroget, sg_io",
                      word.substr(0, longest_quote));
}

void Passing::begin() {
    if (!map_.has_live_table())
        throw base::Error(ENOTTY, "map {} has no live table", map_.name());
    if (const auto *order = std::get_if<block::ScsiOrder>(&request_))
        refuse_what_passes_by_the_map(*order);
    look();
}

/// The map keeps writes for replays and has newer ones wait for those in doubt: what it does not know of
/// could be undone by that, silently.
void Passing::refuse_what_passes_by_the_map(const block::ScsiOrder &order) const {
    if (!block::changes_blocks(order))
        return;
    if (map_.geometry().read_only)
        throw base::Error(EPERM, "map {} is read-only", map_.name());
    if (map_.options().independent_caches)
        throw base::Error(EPERM,
                          "map {} keeps writes until a flush covers them and may send them again, over "
                          "this one: write through the export",
                          map_.name());
    if (map_.in_doubt() != 0)
        throw base::Error(EBUSY, "{} writes of map {} are in doubt and may still land over this one",
                          map_.in_doubt(), map_.name());
}

void Passing::look() noexcept {
    int error = 0;
    block::Device *device = map_.device_for_passing(error);
    if (device == nullptr)
        look_again(error);
    else if (const auto *order = std::get_if<block::ScsiOrder>(&request_))
        send(*device, *order);
    else
        finish({0, {}, {answer_of(std::get<Request>(request_), *device)}});
}

void Passing::look_again(int error) {
    if (error != EAGAIN || map_.suspended() || scheduler_.now() >= end_)
        give_up(error);
    else
        again_.start_in(interval);
}

void Passing::send(block::Device &device, const block::ScsiOrder &order) {
    path_ = name_of(device);
    block::ScsiPort *port = device.scsi();
    if (port == nullptr) {
        finish({ENOTTY, fmt::format("path {} is not SCSI", path_), {}});
        return;
    }
    waits_ = std::make_shared<bool>(true);
    port->execute(order, [this, waits = waits_](const block::ScsiReply &reply) {
        if (*waits)
            answered(reply);
    });
}

void Passing::answered(const block::ScsiReply &reply) {
    waits_.reset();
    switch (reply.result.status) {
    case block::ScsiReply::not_sent:
        look_again(EAGAIN); // the path went down, and the map hears of it now
        return;
    case block::ScsiReply::lost:
        finish({EIO, fmt::format("path {} was lost; the command may have been carried out", path_), {}});
        return;
    case block::ScsiReply::overdue:
        finish({ETIMEDOUT,
                fmt::format("path {} gave no answer; the command may still be carried out", path_),
                {}});
        return;
    default:
        break;
    }
    command::Outcome outcome;
    outcome.lines = block::scsi_reply_lines(reply);
    outcome.lines.insert(outcome.lines.begin(), "path: " + path_);
    finish(std::move(outcome));
}

void Passing::give_up(int error) {
    const char *why = error == ESHUTDOWN ? "the map is being closed"
                      : map_.suspended() ? "the map is suspended"
                      : error == EAGAIN  ? "no path can take it now"
                                         : "there is no path, and requests do not wait for one";
    finish({error, why, {}});
}

void Passing::finish(command::Outcome outcome) {
    again_.cancel();
    if (linked())
        unlink();
    if (waits_)
        *waits_ = false;
    finish_(std::move(outcome));
}

std::string Passing::name_of(const block::Device &device) const {
    for (const auto &group : map_.live_table()->groups())
        for (const auto &path : group->paths)
            if (path->device == &device)
                return path->name;
    return {};
}

std::string Passing::answer_of(Request request, const block::Device &device) {
    const block::Geometry &disk = device.geometry();
    switch (request) {
    case Request::size:
        return std::to_string(disk.size);
    case Request::block_size:
        return std::to_string(std::max(disk.minimum_block, smallest_sector));
    case Request::read_only:
        return disk.read_only ? "1" : "0";
    }
    return {};
}

} // namespace nbdmpathd
