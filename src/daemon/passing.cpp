// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/passing.hpp"

#include "base/error.hpp"

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

Passing::~Passing() {
    if (linked())
        unlink();
}

Passing::Request Passing::parse(std::string_view word) {
    if (word == "blkgetsize64")
        return Request::size;
    if (word == "blksszget")
        return Request::block_size;
    if (word == "blkroget")
        return Request::read_only;
    if (word == "sg_io")
        throw base::Error(ENOTTY, "sg_io is not supported by the paths of this map");
    throw base::Error(ENOTTY, "unknown request '{}'; known are blkgetsize64, blksszget, blkroget",
                      word.substr(0, longest_quote));
}

void Passing::begin() {
    if (!map_.has_live_table())
        throw base::Error(ENOTTY, "map {} has no live table", map_.name());
    look();
}

void Passing::look() noexcept {
    int error = 0;
    if (const block::Device *device = map_.device_for_passing(error)) {
        finish_({0, {}, {answer_of(*device)}});
        if (linked())
            unlink();
    } else if (error != EAGAIN || map_.suspended() || scheduler_.now() >= end_) {
        give_up(error);
    } else {
        again_.start_in(interval);
    }
}

void Passing::give_up(int error) {
    again_.cancel();
    if (linked())
        unlink();
    const char *why = error == ESHUTDOWN ? "the map is being closed"
                      : map_.suspended() ? "the map is suspended"
                      : error == EAGAIN  ? "no path can take it now"
                                         : "there is no path, and requests do not wait for one";
    finish_({error, why, {}});
}

std::string Passing::answer_of(const block::Device &device) const {
    const block::Geometry &disk = device.geometry();
    switch (request_) {
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
