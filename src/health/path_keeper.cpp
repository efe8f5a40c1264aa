// SPDX-License-Identifier: BSD-3-Clause
#include "health/path_keeper.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

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
    bool settled = false;
    bool probing = false;
    std::string_view told_state = "up"; ///< a literal
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
    backend.open(*this);
}

void PathKeeper::remove(const backend::Backend &backend) noexcept {
    std::erase_if(paths_, [&](const auto &kept) { return &kept->backend == &backend; });
}

void PathKeeper::stop() noexcept {
    stopped_ = true;
    recheck_.cancel();
}

PathKeeper::Kept &PathKeeper::find(const backend::Backend &backend) const noexcept {
    return **std::ranges::find_if(paths_, [&](const auto &kept) { return &kept->backend == &backend; });
}

bool PathKeeper::settled(const backend::Backend &backend) const noexcept { return find(backend).settled; }

multipath::PathDevice PathKeeper::judge(backend::Backend &backend) const {
    const bool reached =
        find(backend).state == PathState::active || find(backend).state == PathState::mismatch;
    const bool right = reached && difference(backend).empty();
    return {&backend, reached && right, reached && !right};
}

bool PathKeeper::is_in_use(const Kept &kept) const noexcept {
    if (!map_.has_live_table())
        return false;
    for (const auto &group : map_.live_table()->groups())
        for (const auto &path : group->paths)
            if (path->device == &kept.backend)
                return true;
    return false;
}

void PathKeeper::settle(Kept &kept) noexcept {
    if (!std::exchange(kept.settled, true))
        observer_.path_settled();
}

void PathKeeper::path_up(backend::Backend &backend) noexcept {
    Kept &kept = find(backend);
    kept.state = PathState::active;
    // A table that is not live yet judges its paths when it becomes so.
    if (is_in_use(kept)) {
        if (!disk_seen_)
            observer_.disk_seen();
        if (check(kept))
            probe(kept);
    }
    settle(kept);
}

bool PathKeeper::check(Kept &kept) noexcept {
    const std::string wrong = difference(kept.backend);
    // Before anything else can be sent there: a message may have reinstated it while it was away.
    map_.bar(kept.backend, !wrong.empty());
    kept.state = wrong.empty() ? PathState::active : PathState::mismatch;
    if (!wrong.empty()) {
        tell(kept, "mismatch");
        complain(kept, kept.told_mismatch, fmt::format("is not this disk and will not be used: {}", wrong));
    }
    return wrong.empty();
}

void PathKeeper::check_all() noexcept {
    for (const auto &kept : paths_)
        if ((kept->state == PathState::active || kept->state == PathState::mismatch) && is_in_use(*kept))
            check(*kept);
}

void PathKeeper::tell(Kept &kept, std::string_view state) noexcept {
    if (std::exchange(kept.told_state, state) != state)
        observer_.path_checked(kept.name, state);
}

void PathKeeper::complain(Kept &kept, std::string &told, std::string_view why) noexcept {
    if (told == why)
        return;
    told = why;
    observer_.path_notice(fmt::format("path {} {}", kept.name, why), true);
}

void PathKeeper::path_down(backend::Backend &backend, std::string_view why) noexcept {
    Kept &kept = find(backend);
    kept.state = PathState::disconnected;
    complain(kept, kept.told_lost, fmt::format("is lost: {}", why));
    tell(kept, "down");
    map_.path_lost(backend);
    settle(kept);
}

std::string PathKeeper::difference(const backend::Backend &backend) const {
    // While nothing tells the size everything may be right.
    return map_.geometry().size == 0 ? std::string()
                                     : health::difference(backend.geometry(), map_.geometry(), expected_);
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
    if (!status.is_path_error()) {
        works(kept);
    } else {
        tell(kept, "down");
        path_failed();
    }
}

void PathKeeper::works(Kept &kept) noexcept {
    if (!kept.told_lost.empty() || !kept.told_mismatch.empty())
        observer_.path_notice(fmt::format("path {} is connected and reads", kept.name), false);
    tell(kept, "up");
    kept.told_lost.clear();
    kept.told_mismatch.clear();
    if (expected_.reinstate)
        map_.path_answers(kept.backend);
}

} // namespace health
