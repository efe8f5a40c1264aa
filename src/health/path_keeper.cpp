// SPDX-License-Identifier: BSD-3-Clause
#include "health/path_keeper.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <utility>

namespace health {

namespace {
using namespace std::chrono_literals;
constexpr auto recheck_interval = 1s;
} // namespace

struct PathKeeper::Kept {
    Kept(PathKeeper &its_keeper, std::string path_name, backend::Backend &path_backend)
        : keeper(its_keeper)
        , name(std::move(path_name))
        , backend(path_backend)
        , reader(path_backend, base::Delegate<block::Status>::to<&Kept::fingerprint_read>(*this))
        , probe(path_backend, Probe::Told::to<&Kept::probed>(*this))
        , registration(its_keeper.scheduler_, its_keeper.registrar_, path_backend,
                       base::Delegate<>::to<&Kept::registered>(*this)) {}

    void probed(Probe::Answer answer) noexcept { keeper.probed(*this, answer); }
    void fingerprint_read(block::Status status) noexcept { keeper.verified(*this, status); }
    void registered() noexcept { keeper.registered(*this); }
    [[nodiscard]] bool is_reached() const noexcept {
        return state == PathState::active || state == PathState::mismatch || registers();
    }
    [[nodiscard]] bool registers() const noexcept {
        return state == PathState::registering || state == PathState::unregistered;
    }

    PathKeeper &keeper;
    std::string name;
    backend::Backend &backend;
    PathState state = PathState::connecting;
    bool settled = false;
    bool comes_back = false; ///< once it is verified, whatever `reinstate` says: it did not fail
    bool verify_again = false;
    bool fresh = false; ///< not probed since it was reached
    FingerprintReader reader;
    Prints prints;
    std::string identity;               ///< what it said when it was this disk
    std::string_view told_state = "up"; ///< a literal
    // What the log has of it since it last worked: a server that comes and goes without working says it once.
    std::string told_lost;
    std::string told_mismatch;
    Probe probe;
    Registration registration;
};

PathKeeper::PathKeeper(base::Scheduler &scheduler, multipath::Map &map, Expected expected,
                       KeeperObserver &observer)
    : map_(map)
    , expected_(std::move(expected))
    , observer_(observer)
    , scheduler_(scheduler)
    , recheck_(scheduler, base::Delegate<>::to<&PathKeeper::look_again>(*this)) {}

PathKeeper::~PathKeeper() = default;

void PathKeeper::add(std::string name, backend::Backend &backend) {
    paths_.push_back(std::make_unique<Kept>(*this, std::move(name), backend));
    backend.open(*this);
}

void PathKeeper::remove(const backend::Backend &backend) noexcept {
    map_.path_removed(backend);
    std::erase_if(paths_, [&](const auto &kept) { return &kept->backend == &backend; });
}

void PathKeeper::stop() noexcept {
    stopped_ = true;
    recheck_.cancel();
}

PathKeeper::Kept &PathKeeper::find(const backend::Backend &backend) const noexcept {
    return **std::ranges::find_if(paths_, [&](const auto &kept) { return &kept->backend == &backend; });
}

PathState PathKeeper::state(const backend::Backend &backend) const noexcept { return find(backend).state; }

bool PathKeeper::settled(const backend::Backend &backend) const noexcept { return find(backend).settled; }

multipath::PathDevice PathKeeper::judge(backend::Backend &backend) const {
    const Kept &kept = find(backend);
    const bool unknown = kept.state == PathState::verifying || kept.state == PathState::unreadable;
    const bool right = kept.is_reached() && difference(kept).empty();
    const bool waits = right && must_register(kept);
    return {&backend, right && !waits, unknown || waits || (kept.is_reached() && !right)};
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
    kept.registration.forget();
    if (expected_.fingerprint.empty()) {
        reached(kept);
        return;
    }
    kept.comes_back = kept.comes_back || (is_in_use(kept) && !map_.wants_back(backend));
    map_.bar(backend, true); // nothing goes there before it is verified
    verify(kept);
}

void PathKeeper::verify(Kept &kept) noexcept {
    kept.state = PathState::verifying;
    kept.prints.clear();
    kept.verify_again = kept.reader.reading(); // of the connection before: when that has ended
    if (kept.verify_again)
        return;
    if (fits(expected_.fingerprint, kept.backend.geometry()))
        kept.reader.start(expected_.fingerprint);
    else
        reached(kept);
}

void PathKeeper::verified(Kept &kept, block::Status status) noexcept {
    if (stopped_ || kept.state != PathState::verifying)
        return;
    if (kept.verify_again) {
        verify(kept);
        return;
    }
    if (status.ok()) {
        kept.prints = kept.reader.prints();
        reached(kept);
        return;
    }
    kept.state = PathState::unreadable;
    complain(kept, kept.told_lost,
             fmt::format("is not used: its fingerprint cannot be read: {}", base::errno_text(status.error)));
    tell(kept, "down");
    look_again_soon();
    settle(kept);
}

void PathKeeper::reached(Kept &kept) noexcept {
    kept.state = PathState::active;
    map_.path_reached(kept.backend);
    // A table that is not live yet judges its paths when it becomes so.
    kept.fresh = is_in_use(kept);
    if (kept.fresh) {
        if (difference(kept).empty())
            learn(expected_.fingerprint, kept.prints);
        if (!disk_seen_)
            observer_.disk_seen();
        if (check(kept))
            probe(kept);
    }
    settle(kept);
}

bool PathKeeper::check(Kept &kept) noexcept {
    const std::string wrong = difference(kept);
    if (wrong.empty() && kept.identity.empty())
        kept.identity = kept.backend.identity();
    if (wrong.empty() && must_register(kept)) {
        register_path(kept);
        return false;
    }
    // Before anything else can be sent there: a message may have reinstated it while it was away.
    map_.bar(kept.backend, !wrong.empty());
    kept.state = wrong.empty() ? PathState::active : PathState::mismatch;
    if (!wrong.empty()) {
        kept.comes_back = false;
        tell(kept, "mismatch");
        complain(kept, kept.told_mismatch, fmt::format("is not this disk and will not be used: {}", wrong));
    }
    return wrong.empty();
}

bool PathKeeper::must_register(const Kept &kept) const noexcept {
    return registrar_.wanted() && !kept.registration.done();
}

void PathKeeper::register_path(Kept &kept) noexcept {
    kept.comes_back = kept.comes_back || !map_.wants_back(kept.backend);
    map_.bar(kept.backend, true);
    kept.state = PathState::registering;
    if (!kept.registration.running())
        kept.registration.start();
}

void PathKeeper::registered(Kept &kept) noexcept {
    if (stopped_ || kept.state != PathState::registering)
        return;
    const Registration &registration = kept.registration;
    if (!registration.problem().empty()) {
        kept.state = PathState::unregistered;
        complain(kept, kept.told_lost,
                 fmt::format("is not used: the reservation key 0x{:x} cannot be registered there: {}",
                             registrar_.key().key, registration.problem()));
        tell(kept, "down");
        look_again_soon();
        return;
    }
    if (registration.removed())
        observer_.path_notice(
            fmt::format("path {} is not registered: somebody has removed the reservation key "
                        "0x{:x}; 'persist --out --register' brings it back",
                        kept.name, registrar_.key().key),
            true);
    kept.state = PathState::active;
    if (check(kept))
        probe(kept);
}

bool PathKeeper::registers(const backend::Backend &backend) const noexcept {
    return find(backend).registers();
}

void PathKeeper::take_as_registered(const backend::Backend &backend) noexcept {
    find(backend).registration.take_as_done();
}

void PathKeeper::register_again(const backend::Backend &backend) noexcept {
    Kept &kept = find(backend);
    kept.registration.forget();
    if (kept.state == PathState::active && is_in_use(kept))
        register_path(kept);
}

void PathKeeper::check_all() noexcept {
    for (const auto &kept : paths_)
        if (kept->is_reached() && is_in_use(*kept)) {
            // The table has it failed for this alone.
            kept->comes_back = kept->comes_back || must_register(*kept);
            check(*kept);
        }
}

void PathKeeper::accept(std::string_view path) noexcept {
    const auto found =
        std::ranges::find(paths_, path, [](const auto &kept) -> std::string_view { return kept->name; });
    if (found == paths_.end())
        return;
    map_.path_fenced((*found)->backend);
    if ((*found)->state != PathState::mismatch)
        return;
    Kept &kept = **found;
    Expected believed = expected_;
    forget(believed.fingerprint);
    if (!health::difference(kept.backend.geometry(), map_.geometry(), believed).empty() ||
        !wwid_difference(kept.backend, believed.wwid).empty() ||
        !health::difference(believed.fingerprint, kept.prints).empty())
        return; // it is what was stated that speaks against it
    learn(believed.fingerprint, kept.prints);
    expected_ = std::move(believed);
    kept.identity = kept.backend.identity();
    observer_.path_notice(fmt::format("path {} is this disk: accepted by hand", kept.name), false);
    check(kept);
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

std::string PathKeeper::difference(const backend::Backend &backend, const block::Geometry &disk,
                                   const Expected &expected) const {
    const Kept &kept = find(backend);
    if (!kept.is_reached())
        return {};
    std::string wrong = wwid_difference(kept.backend, expected.wwid);
    // While nothing tells the size everything may be right.
    if (wrong.empty() && disk.size != 0)
        wrong = health::difference(backend.geometry(), disk, expected);
    if (wrong.empty())
        wrong = health::difference(expected.fingerprint, kept.prints);
    const std::string_view says = backend.identity();
    if (wrong.empty() && !kept.identity.empty() && !says.empty() && says != kept.identity)
        wrong = fmt::format("its server now offers {}, and before {}", says, kept.identity);
    return wrong;
}

std::string PathKeeper::difference(const Kept &kept) const {
    std::string wrong = difference(kept.backend, map_.geometry(), expected_);
    return wrong.empty() && kept.is_reached() ? map_.objection(kept.backend) : wrong;
}

PathKeeper::Backends PathKeeper::alike(const Backends &paths, const Fingerprint &fingerprint) const {
    Backends result;
    std::ranges::copy_if(paths, std::back_inserter(result), [&](const backend::Backend *path) {
        return find(*path).is_reached() &&
               difference(*path, {}, {.size = {}, .fingerprint = fingerprint, .wwid = expected_.wwid})
                   .empty();
    });
    return result;
}

Fingerprint PathKeeper::fingerprint_of(const Backends &paths, bool fixed) const {
    Fingerprint result = expected_.fingerprint;
    if (!fixed && alike(paths, result).empty())
        forget(result);
    if (const Backends right = alike(paths, result); !right.empty())
        learn(result, find(*right.front()).prints);
    return result;
}

void PathKeeper::path_failed() noexcept {
    if (expected_.reinstate)
        look_again_soon();
}

void PathKeeper::look_again_soon() {
    if (!stopped_ && !recheck_.active())
        recheck_.start_in(recheck_interval);
}

void PathKeeper::look_again() noexcept {
    for (const auto &kept : paths_) {
        if (kept->state == PathState::unreadable)
            verify(*kept);
        else if (kept->state == PathState::unregistered)
            check(*kept);
        else if (kept->state == PathState::active && expected_.reinstate && map_.wants_back(kept->backend))
            probe(*kept);
    }
}

void PathKeeper::probe(Kept &kept) noexcept {
    if (!stopped_)
        kept.probe.start();
}

void PathKeeper::probed(Kept &kept, Probe::Answer answer) noexcept {
    if (stopped_ || kept.state != PathState::active)
        return;
    if (answer == Probe::Answer::reads) {
        works(kept, "reads");
    } else if (answer == Probe::Answer::inactive && can_be_activated(kept)) {
        works(kept, "stands by");
    } else {
        tell(kept, "down");
        path_failed();
    }
}

/// Where only the array itself changes the states of its ports, a path that a request has found inactive
/// would be found so again.
bool PathKeeper::can_be_activated(const Kept &kept) const noexcept {
    constexpr unsigned by_client = 2;
    const block::ScsiFacts *facts = kept.backend.scsi()->facts();
    return map_.has_live_table() && map_.live_table()->handler() != nullptr && facts != nullptr &&
           (kept.fresh || (facts->port_groups & by_client) != 0);
}

void PathKeeper::works(Kept &kept, std::string_view how) noexcept {
    kept.fresh = false;
    if (!kept.told_lost.empty() || !kept.told_mismatch.empty())
        observer_.path_notice(fmt::format("path {} is connected and {}", kept.name, how), false);
    tell(kept, "up");
    kept.told_lost.clear();
    kept.told_mismatch.clear();
    if (expected_.reinstate || std::exchange(kept.comes_back, false))
        map_.path_answers(kept.backend);
}

} // namespace health
