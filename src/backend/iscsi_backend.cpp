// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_backend.hpp"

#include "backend/peer_end.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace backend {

namespace {

using block::Request;
using block::Status;
using std::chrono::milliseconds;

constexpr milliseconds first_delay{50};
constexpr std::chrono::seconds proof_of_life{3};
constexpr std::uint8_t unit_attention = 6;
constexpr std::chrono::seconds suspicion_interval{30}; // it may be its way

} // namespace

IscsiBackend::IscsiBackend(io::Worker &worker, const Settings &settings)
    : worker_(worker)
    , uri_(parse_iscsi_uri(settings.uri))
    , values_(settings.values)
    , io_timeout_(settings.values.get<milliseconds>("io_timeout"))
    , stall_timeout_(settings.values.get<milliseconds>("stall_timeout"))
    , longest_delay_(std::max(settings.values.get<milliseconds>("reconnect_delay"), first_delay))
    , fences_writes_(settings.fences)
    , trust_peer_close_(settings.values.get<bool>("trust_peer_close"))
    , has_fence_command_(settings.values.has("fence_command") &&
                         !settings.values.get<std::string>("fence_command").empty())
    , delay_(first_delay)
    , backlog_(worker, {settings.values.get<std::uint64_t>("max_requests"), io_timeout_},
               base::Delegate<>::to<&IscsiBackend::overdue>(*this))
    , completions_(worker)
    , report_closed_(base::Delegate<>::to<&IscsiBackend::report_closed>(*this))
    , retry_(worker, base::Delegate<>::to<&IscsiBackend::dial>(*this))
    , session_(worker, *this)
    , fences_(worker, settings.name, {settings.fence_timeout, trust_peer_close_}, *this)
    , fence_command_(worker,
                     has_fence_command_ ? settings.values.get<std::string>("fence_command") : std::string(),
                     settings.name, settings.fence_timeout,
                     base::Delegate<bool>::to<&IscsiBackend::fence_command_ended>(*this))
    , stand_in_(worker, settings.values.get<milliseconds>("connect_timeout"),
                base::Delegate<bool>::to<&IscsiBackend::stand_in_ended>(*this))
    , pulse_(worker, session_,
             {stall_timeout_,
              settings.checks_idle ? settings.values.get<milliseconds>("idle_check") : milliseconds(0)},
             base::Delegate<>::to<&IscsiBackend::silent>(*this))
    , orders_(worker, session_, pulse_)
    , dialer_(worker, settings.name, uri_, values_, session_, *this) {}

IscsiBackend::~IscsiBackend() {
    assert(observer_ == nullptr && in_flight() == 0 && "closed and drained first");
}

void IscsiBackend::open(Observer &observer) {
    observer_ = &observer;
    retry_.start_in({}); // not now: what fails at once is told from the loop
}

void IscsiBackend::close(base::Delegate<> closed) noexcept {
    observer_ = nullptr;
    closed_ = closed;
    fences_.say_farewell();
    if (up_)
        go_down();
    retry_.cancel();
    dialer_.cancel();
    stand_in_.stop();
    session_.stop();
    worker_.post(report_closed_);
}

void IscsiBackend::report_closed() noexcept {
    if (fences_.waiting() != 0)
        return; // again when they end
    if (completions_.empty() && orders_.empty())
        closed_(); // we may be gone now
    else
        worker_.post(report_closed_);
}

// Connecting

void IscsiBackend::dial() noexcept { dialer_.dial(); }

void IscsiBackend::not_reached(std::string_view why, std::span<const std::string> silent) noexcept {
    fences_.nobody_listens(silent);
    if (fences_.any_at(dialer_.fenced_portal()))
        stand_in_.start(dialer_.fence_portal(), dialer_.login());
    else
        try_later();
    report_down(why);
}

void IscsiBackend::stand_in_ended(bool well) noexcept {
    if (well)
        fences_.reinstated(dialer_.fenced_portal());
    try_later();
}

void IscsiBackend::try_later() noexcept {
    retry_.start_in(delay_);
    delay_ = std::min(delay_ * 2, longest_delay_);
}

void IscsiBackend::report_down(std::string_view why) noexcept {
    if (std::exchange(told_down_, true) || observer_ == nullptr)
        return;
    observer_->path_down(*this, why);
}

void IscsiBackend::logged_in() noexcept {
    fence_by_login();
    reader_.begin(session_);
}

void IscsiBackend::fence_by_login() noexcept {
    if (dialer_.reinstates(dialer_.portal()).value_or(false))
        fences_.reinstated(dialer_.portal());
}

void IscsiBackend::unit_answered(const IscsiSession::Answer &answer) noexcept {
    switch (reader_.answered(session_, answer)) {
    case IscsiUnitReader::Progress::asking:
        break;
    case IscsiUnitReader::Progress::done:
        if (fences_.wants_reset(dialer_.server())) {
            fences_.reset_begun(dialer_.server());
            session_.reset_unit();
        } else {
            come_up();
        }
        break;
    case IscsiUnitReader::Progress::failed:
        dialer_.failed(fmt::format("{} unit {}: {}", uri_.target, uri_.lun, reader_.why()));
        break;
    }
}

void IscsiBackend::unit_was_reset(bool well) noexcept {
    fences_.reset_ended(well);
    come_up();
}

void IscsiBackend::come_up() noexcept {
    dialer_.reached();
    fence_by_login(); // if it is not known before
    unit_ = reader_.unit();
    identity_ = unit_.identity();
    orders_.begin(unit_);
    up_ = true;
    told_down_ = served_ = suspect_ = false;
    changed_ = {};
    up_since_ = worker_.now();
    pulse_.start();
    observer_->path_up(*this);
}

void IscsiBackend::lost(std::string_view why) noexcept {
    if (!up_) {
        dialer_.failed(why);
        return;
    }
    const std::string reason(why);
    go_down();
    try_later();
    if (fences_.wants_reset(dialer_.server()))
        retry_.start_in({}); // whether the target is there decides what may be done again
    report_down(reason);
}

void IscsiBackend::go_down() noexcept {
    up_ = false;
    ++generation_;
    // A target that takes us and drops us at once must not be hammered; one that worked is tried again soon.
    if (served_ || worker_.now() - up_since_ >= proof_of_life)
        delay_ = first_delay;
    pulse_.stop();
    const int connection = session_.stop_keeping_connection();
    orders_.end();
    fail_everything(connection);
}

// Requests

void IscsiBackend::submit(Request &request) noexcept {
    if (!up_) {
        completions_.add(request, Status::path_lost());
        return;
    }
    backlog_.accept(request);
    send_waiting();
    pulse_.watch();
}

void IscsiBackend::send_waiting() noexcept {
    while (changed_.empty()) {
        IscsiJob *job = backlog_.next();
        if (job == nullptr)
            return;
        if (const std::optional<Status> status = job->begin(session_, unit_))
            completions_.add(backlog_.finish(*job), *status);
    }
}

void IscsiBackend::answered(IscsiSession::Command &command, const IscsiSession::Answer &answer) noexcept {
    if (&command == &reader_) {
        unit_answered(answer);
        return;
    }
    if (command.kind() == IscsiSession::Command::Kind::order)
        orders_.answered(command, answer);
    else
        orders_.overheard(answer.result);
    if (command.kind() != IscsiSession::Command::Kind::request) {
        look_for_change(answer.result, block::classify_scsi(answer.result, block::Operation::read));
        return;
    }
    served_ = true;
    auto &piece = static_cast<IscsiJob::Piece &>(command);
    IscsiJob &job = piece.job();
    const block::ScsiTimeouts patience{.io = std::chrono::duration_cast<std::chrono::seconds>(io_timeout_),
                                       .transition = orders_.transition_timeout()};
    const block::ScsiOutcome outcome = block::classify_scsi(answer.result, job.sent(), patience);
    // It may have been done by another unit, and what comes next must not be.
    if (suspect_)
        job.give_up(Status::path_lost());
    if (const std::optional<Status> status = job.proceed(session_, unit_, piece, outcome, answer.moved))
        completions_.add(backlog_.finish(job), *status);
    look_for_change(answer.result, outcome);
    if (up_)
        send_waiting();
}

/// A new session finds out, or does, what this one cannot.
void IscsiBackend::end_when_idle(std::string_view why) noexcept {
    changed_ = why;
    if (backlog_.sent() == 0)
        lost(changed_);
}

/// What is under way is done again once a new session has seen which unit it is.
void IscsiBackend::suspect(std::string_view why) noexcept {
    suspect_ = true;
    end_when_idle(why);
}

/// The unit may be another one now, or another size.
void IscsiBackend::look_for_change(const block::ScsiResult &result,
                                   const block::ScsiOutcome &outcome) noexcept {
    if (outcome.disconnected)
        suspect("the target has no such unit any more");
    else if (outcome.reread_capacity)
        suspect("the unit's size has changed");
    else if (result.has_sense && result.key == unit_attention && result.asc == 0x3f)
        suspect("the target's units have changed");
    else if (!changed_.empty())
        end_when_idle(changed_);
    else if (refuses_oddly(result) && worker_.now() >= next_suspicion_) {
        next_suspicion_ = worker_.now() + suspicion_interval;
        suspect("the unit refuses what it should take");
    }
}

/// What the unit that was reached would not say to a request: that an address is beyond its end, that it is
/// write-protected. Some targets put another unit in the place of one that was taken away, and tell nobody.
bool IscsiBackend::refuses_oddly(const block::ScsiResult &result) const noexcept {
    const bool is_beyond_end = result.key == 5 && result.asc == 0x21;
    const bool is_protected = result.key == 7 && result.asc == 0x27 && result.ascq != 0x07; // thin and full
    return result.has_sense && (is_beyond_end || (is_protected && !unit_.geometry.read_only));
}

/// `connection`: where it was sent, open for this function to keep or close.
void IscsiBackend::fail_everything(int connection) noexcept {
    const bool is_over = trust_peer_close_ && connection >= 0 && ended_by_peer(connection);
    base::List<Request> sent;
    backlog_.drop_all([&](Request &request, bool was_sent, int error) {
        if (!was_sent || !request.changes_data())
            completions_.add(request, Status::path_lost(error));
        else if (fences_writes_)
            sent.push_back(request);
        else if (is_over)
            completions_.add(request, Status::path_lost(error));
        else
            completions_.add(request, Status{block::Outcome::path_in_doubt, error});
    });
    if (!sent.empty())
        fences_.begin(std::exchange(connection, -1), {dialer_.portal(), dialer_.server()}, sent);
    run_fence_command();
    if (connection >= 0)
        ::close(connection);
}

void IscsiBackend::fence_ended(Request &request, bool fenced) noexcept {
    completions_.add(request,
                     fenced ? Status::path_lost() : Status{block::Outcome::path_unfenced, ETIMEDOUT});
    if (observer_ == nullptr)
        worker_.post(report_closed_);
}

void IscsiBackend::run_fence_command() noexcept {
    const std::string server = fences_.wants_command();
    if (!has_fence_command_ || fence_command_.running() || server.empty())
        return;
    fences_.command_begun(server);
    fence_command_.start(server);
}

void IscsiBackend::fence_command_ended(bool well) noexcept {
    fences_.command_ended(well);
    run_fence_command(); // for what was lost meanwhile
}

void IscsiBackend::fence_wants_login() noexcept {
    if (up_ && fences_.wants_reset(dialer_.server()))
        end_when_idle("a new session is needed to end what the former one began");
    else if (retry_.active())
        retry_.start_in({});
}

std::string_view IscsiBackend::fencing() const noexcept {
    const std::optional<bool> reinstates = dialer_.reinstates(dialer_.last_portal());
    if (!fences_writes_ || !reinstates)
        return {};
    if (*reinstates)
        return dialer_.fenced_portal() == dialer_.last_portal() ? "portal" : "reinstatement";
    return has_fence_command_ ? "command" : trust_peer_close_ ? "close" : "none";
}

void IscsiBackend::all_fenced() noexcept {
    if (observer_ != nullptr)
        observer_->path_fenced(*this);
}

void IscsiBackend::silent() noexcept {
    if (up_)
        lost(fmt::format("no sign of life for {} ms", stall_timeout_.count()));
}

void IscsiBackend::overdue() noexcept {
    // Perhaps it was us who stood still: what lies in the socket was answered in time.
    session_.take_answers();
    if (up_ && backlog_.is_overdue())
        lost(fmt::format("no answer for {} ms", io_timeout_.count()));
}

} // namespace backend
