// SPDX-License-Identifier: BSD-3-Clause
#include "health/path_keeper.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace health {

namespace {
using namespace std::chrono_literals;
constexpr auto recheck_interval = 1s;
constexpr std::size_t probe_buffer_size = 64 << 10; // the largest minimum block

struct Free {
    void operator()(std::byte *buffer) const noexcept { std::free(buffer); }
};
} // namespace

struct PathKeeper::Kept {
    Kept(std::string path_name, backend::Backend &path_backend)
        : name(std::move(path_name))
        , backend(path_backend) {}

    std::string name;
    backend::Backend &backend;
    PathState state = PathState::connecting;
    bool answered_once = false;
    bool probing = false;
    // What the log has of it since it last worked: a server that comes and goes without working says it once.
    std::string told_lost;
    std::string told_mismatch;
    block::Request request;
    std::unique_ptr<std::byte, Free> buffer;
};

PathKeeper::PathKeeper(base::Scheduler &scheduler, multipath::Map &map, Expected expected,
                       KeeperObserver &observer)
    : map_(map)
    , expected_(expected)
    , observer_(observer)
    , recheck_(scheduler, base::Delegate<>::to<&PathKeeper::probe_failed_paths>(*this)) {}

PathKeeper::~PathKeeper() = default;

void PathKeeper::add(std::string name, backend::Backend &backend) {
    paths_.push_back(std::make_unique<Kept>(std::move(name), backend));
    paths_.back()->buffer.reset(static_cast<std::byte *>(std::aligned_alloc(4096, probe_buffer_size)));
}

void PathKeeper::start() {
    for (const auto &kept : paths_)
        kept->backend.open(*this);
    if (paths_.empty())
        settle_if_all_answered();
}

void PathKeeper::stop() noexcept {
    stopped_ = true;
    recheck_.cancel();
}

PathKeeper::Kept &PathKeeper::find(const backend::Backend &backend) noexcept {
    return **std::ranges::find_if(paths_, [&](const auto &kept) { return &kept->backend == &backend; });
}

bool PathKeeper::usable(const block::Device &device) const noexcept {
    return std::ranges::any_of(paths_, [&](const auto &kept) {
        return static_cast<const block::Device *>(&kept->backend) == &device &&
               kept->state == PathState::active;
    });
}

void PathKeeper::path_up(backend::Backend &backend) noexcept {
    Kept &kept = find(backend);
    kept.answered_once = true;
    // Before the first table everything that answers counts; who differs is told apart when all have
    // answered.
    kept.state = PathState::active;
    if (!settled_) {
        settle_if_all_answered();
        return;
    }
    if (!geometry_known_)
        learn_geometry();
    if (check(kept))
        probe(kept);
}

bool PathKeeper::check(Kept &kept) noexcept {
    const std::string wrong = difference(kept.backend.geometry());
    // Before anything else can be sent there: a message may have reinstated it while it was away.
    map_.bar(kept.backend, !wrong.empty());
    if (wrong.empty())
        return true;
    kept.state = PathState::mismatch;
    complain(kept, kept.told_mismatch, fmt::format("is not this disk and will not be used: {}", wrong));
    return false;
}

void PathKeeper::complain(Kept &kept, std::string &told, std::string_view why) noexcept {
    if (told == why)
        return;
    told = why;
    observer_.path_notice(fmt::format("path {} {}", kept.name, why), true);
}

void PathKeeper::path_down(backend::Backend &backend, std::string_view why) noexcept {
    Kept &kept = find(backend);
    kept.answered_once = true;
    kept.state = PathState::disconnected;
    complain(kept, kept.told_lost, fmt::format("is lost: {}", why));
    if (settled_)
        map_.path_lost(backend);
    else
        settle_if_all_answered();
}

void PathKeeper::settle_if_all_answered() noexcept {
    if (!std::ranges::all_of(paths_, [](const auto &kept) { return kept->answered_once; }))
        return;
    settled_ = true;
    learn_geometry();
    for (const auto &kept : paths_)
        if (kept->state == PathState::active && !difference(kept->backend.geometry()).empty())
            kept->state = PathState::mismatch; // loaded failed
    observer_.paths_settled();
    // Now there is a table to bar them from.
    for (const auto &kept : paths_)
        if (kept->state == PathState::mismatch)
            check(*kept);
}

void PathKeeper::learn_geometry() noexcept {
    bool size_known = expected_.size.has_value();
    block::Geometry geometry;
    geometry.size = expected_.size.value_or(0);
    geometry.read_only = expected_.read_only;
    for (const auto &kept : paths_) {
        if (kept->state != PathState::active)
            continue;
        const block::Geometry &one = kept->backend.geometry();
        if (!size_known) {
            size_known = true;
            geometry.size = one.size;
        }
        if (expected_.size ? one.size < geometry.size : one.size != geometry.size)
            continue; // another disk: its blocks do not count
        geometry_known_ = true;
        geometry.minimum_block = std::max(geometry.minimum_block, one.minimum_block);
        geometry.preferred_block =
            std::max({geometry.preferred_block, one.preferred_block, geometry.minimum_block});
        geometry.maximum_payload = std::min(geometry.maximum_payload, one.maximum_payload);
        geometry.read_only |= one.read_only;
        geometry.rotational |= one.rotational;
    }
    // A stated size is enough: clients may come before the first path does.
    if (!size_known)
        return;
    geometry.size -= geometry.size % geometry.minimum_block;
    map_.set_geometry(geometry);
    observer_.geometry_known(geometry);
}

std::string PathKeeper::difference(const block::Geometry &path) const {
    const block::Geometry &map = map_.geometry();
    const std::uint64_t path_size = path.size - path.size % map.minimum_block;
    if (expected_.size ? path_size < map.size : path_size != map.size)
        return fmt::format("its size is {} bytes, the map's is {}", path.size, map.size);
    if (path.minimum_block > map.minimum_block)
        return fmt::format("its block size is {}, the map's is {}", path.minimum_block, map.minimum_block);
    if (path.maximum_payload < map.maximum_payload)
        return fmt::format("its longest request is {} bytes, the map's is {}", path.maximum_payload,
                           map.maximum_payload);
    if (path.read_only && !map.read_only)
        return "it is read-only, the map is not";
    return {};
}

void PathKeeper::path_failed() noexcept {
    if (!stopped_ && expected_.reinstate && !recheck_.active())
        recheck_.start_in(recheck_interval);
}

void PathKeeper::probe_failed_paths() noexcept {
    for (const auto &kept : paths_)
        if (kept->state == PathState::active && map_.wants_back(kept->backend))
            probe(*kept);
}

void PathKeeper::probe(Kept &kept) noexcept {
    if (stopped_ || kept.probing)
        return;
    const block::Geometry &disk = kept.backend.geometry();
    const std::uint64_t whole_blocks = disk.size - disk.size % disk.minimum_block;
    if (whole_blocks == 0) {
        works(kept); // nothing to read
        return;
    }
    kept.probing = true;
    block::Request &request = kept.request;
    request.operation = block::Operation::read;
    request.offset = 0;
    request.length = std::min<std::uint64_t>(std::max(disk.minimum_block, 4096U), whole_blocks);
    request.data = kept.buffer.get();
    request.push(*this, &kept);
    kept.backend.submit(request);
}

void PathKeeper::completed(block::Request &request, block::Status status) noexcept {
    Kept &kept = *static_cast<Kept *>(request.popped());
    kept.probing = false;
    if (stopped_ || kept.state != PathState::active)
        return;
    // An answer that says no ("target") is an answer: the path works.
    if (!status.is_path_error())
        works(kept);
    else
        path_failed();
}

void PathKeeper::works(Kept &kept) noexcept {
    if (!kept.told_lost.empty() || !kept.told_mismatch.empty())
        observer_.path_notice(fmt::format("path {} is connected and reads", kept.name), false);
    kept.told_lost.clear();
    kept.told_mismatch.clear();
    if (expected_.reinstate)
        map_.path_answers(kept.backend);
}

} // namespace health
