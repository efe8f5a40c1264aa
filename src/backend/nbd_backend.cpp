// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_backend.hpp"

#include "base/log.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace backend {

namespace {

using block::Request;
using block::Status;
using std::chrono::milliseconds;

constexpr milliseconds first_delay{50};
constexpr std::chrono::seconds proof_of_life{3};

} // namespace

NbdBackend::NbdBackend(io::Worker &worker, const Settings &settings)
    : worker_(worker)
    , name_(settings.name)
    , uri_(parse_nbd_uri(settings.uri))
    , io_timeout_(settings.values.get<milliseconds>("io_timeout"))
    , stall_timeout_(settings.values.get<milliseconds>("stall_timeout"))
    , connect_timeout_(settings.values.get<milliseconds>("connect_timeout"))
    , longest_delay_(std::max(settings.values.get<milliseconds>("reconnect_delay"), first_delay))
    , max_requests_(std::clamp<std::uint64_t>(settings.values.get<std::uint64_t>("max_requests"), 1, 1024))
    , trust_peer_close_(settings.values.get<bool>("trust_peer_close"))
    , delay_(first_delay)
    , backlog_(worker, {max_requests_, io_timeout_}, base::Delegate<>::to<&NbdBackend::overdue>(*this))
    , completions_(worker)
    , report_closed_(base::Delegate<>::to<&NbdBackend::report_closed>(*this))
    , retry_(worker, base::Delegate<>::to<&NbdBackend::dial>(*this))
    , attempt_(worker, base::Delegate<>::to<&NbdBackend::attempt_expired>(*this))
    , connection_(worker, *this, settings.values.get<bool>("block_status"))
    , pulse_(worker, connection_,
             {stall_timeout_,
              settings.checks_idle ? settings.values.get<milliseconds>("idle_check") : milliseconds(0)},
             base::Delegate<>::to<&NbdBackend::silent>(*this))
    , fence_(worker, NbdBackend::fence_command(settings.values), settings.name, settings.fence_timeout,
             base::Delegate<bool>::to<&NbdBackend::fenced>(*this))
    , has_fence_(settings.fences && !NbdBackend::fence_command(settings.values).empty())
    , fences_cache_(has_fence_ && settings.independent_caches)
    , dialer_(worker, uri_, io_timeout_, base::Delegate<int>::to<&NbdBackend::dialed>(*this),
              base::Delegate<std::string_view>::to<&NbdBackend::attempt_failed>(*this))
    , tls_dialer_(worker, uri_, settings.values.get<bool>("block_status"), io_timeout_,
                  base::Delegate<nbd_handle *>::to<&NbdBackend::negotiated_with_tls>(*this),
                  base::Delegate<std::string_view>::to<&NbdBackend::attempt_failed>(*this)) {}

NbdBackend::~NbdBackend() { assert(observer_ == nullptr && in_flight() == 0 && "closed and drained first"); }

void NbdBackend::open(Observer &observer) {
    observer_ = &observer;
    retry_.start_in({}); // not now: what fails at once is told from the loop
}

void NbdBackend::close(base::Delegate<> closed) noexcept {
    observer_ = nullptr;
    closed_ = closed;
    if (up_)
        go_down();
    fence_.cancel();
    fenced(false);
    retry_.cancel();
    attempt_.cancel();
    dialer_.cancel();
    tls_dialer_.cancel();
    connection_.stop();
    worker_.post(report_closed_);
}

void NbdBackend::report_closed() noexcept {
    if (completions_.empty())
        closed_(); // we may be gone now
    else
        worker_.post(report_closed_);
}

// Connecting

void NbdBackend::dial() noexcept {
    attempt_.start_in(connect_timeout_);
    if (uri_.tls)
        tls_dialer_.dial(connect_timeout_);
    else
        dialer_.dial(connect_timeout_);
}

void NbdBackend::negotiated_with_tls(nbd_handle *handle) noexcept { connection_.start(handle); }

void NbdBackend::dialed(int fd) noexcept { connection_.start(fd, uri_.export_name); }

void NbdBackend::attempt_expired() noexcept {
    attempt_failed(fmt::format("{} does not answer: no connection after {} ms", uri_.server(),
                               connect_timeout_.count()));
}

void NbdBackend::attempt_failed(std::string_view why) noexcept {
    const std::string reason(why); // may lie in what is stopped here
    attempt_.cancel();
    dialer_.cancel();
    tls_dialer_.cancel();
    connection_.stop();
    base::log::debug("path {}: {}", name_, reason);
    try_later();
    report_down(reason);
}

void NbdBackend::try_later() noexcept {
    if (cutting_off_)
        return; // not before that is over
    retry_.start_in(delay_);
    delay_ = std::min(delay_ * 2, longest_delay_);
}

void NbdBackend::report_down(std::string_view why) noexcept {
    if (cutting_off_ && fences_cache_) {
        why_down_ = why;
    } else if (!told_down_ && observer_ != nullptr) {
        told_down_ = true;
        observer_->path_down(*this, why);
    }
}

void NbdBackend::negotiated() noexcept {
    attempt_.cancel();
    geometry_ = connection_.geometry();
    up_ = true;
    told_down_ = false;
    served_ = false;
    up_since_ = worker_.now();
    pulse_.start();
    observer_->path_up(*this);
}

void NbdBackend::lost(std::string_view why) noexcept {
    if (!up_) {
        attempt_failed(fmt::format("{}: {}", uri_.server(), why));
        return;
    }
    const std::string reason(why);
    go_down();
    try_later();
    report_down(reason);
}

void NbdBackend::go_down() noexcept {
    up_ = false;
    ++generation_;
    // A server that connects and dies at once must not be hammered; one that worked is tried again soon.
    if (served_ || worker_.now() - up_since_ >= proof_of_life)
        delay_ = first_delay;
    in_doubt_ = !(trust_peer_close_ && connection_.ended_by_peer());
    proven_dead_ = !in_doubt_;
    pulse_.stop();
    connection_.stop();
    cutting_off_ = fences_cache_ && in_doubt_ && observer_ != nullptr;
    fail_everything();
    if (fenced_count_ != 0 && observer_ != nullptr)
        cutting_off_ = true;
    if (cutting_off_)
        fence_.start(uri_.server());
}

// Requests

void NbdBackend::submit(Request &request) noexcept {
    if (!up_) {
        if (cutting_off_ && fences_cache_)
            wait_for_fence(request, false);
        else
            completions_.add(request, Status::path_lost());
        return;
    }
    backlog_.accept(request);
    send_waiting();
    pulse_.watch();
}

void NbdBackend::send_waiting() noexcept {
    while (NbdJob *job = backlog_.next())
        if (const std::optional<Status> status = job->begin(connection_))
            completions_.add(backlog_.finish(*job), *status);
}

void NbdBackend::answered(NbdConnection::Command &command, int error) noexcept {
    served_ = true;
    if (&command == &pulse_) {
        pulse_.answered();
        return;
    }
    auto &job = static_cast<NbdJob &>(command);
    if (const std::optional<Status> status = job.proceed(connection_, error))
        completions_.add(backlog_.finish(job), *status);
    if (error == ESHUTDOWN)
        lost("the server shuts down");
    else
        send_waiting();
}

void NbdBackend::fail_everything() noexcept {
    backlog_.drop_all([this](Request &request, bool was_sent, int error) {
        const bool in_doubt = was_sent && in_doubt_ && request.changes_data();
        if (cutting_off_ || (in_doubt && has_fence_))
            wait_for_fence(request, in_doubt);
        else if (!in_doubt)
            completions_.add(request, Status::path_lost(error));
        else
            completions_.add(request, Status{block::Outcome::path_in_doubt, error});
    });
}

void NbdBackend::wait_for_fence(Request &request, bool in_doubt) noexcept {
    request.device_word = in_doubt ? 1 : 0;
    fenced_.push_back(request);
    ++fenced_count_;
}

void NbdBackend::fenced(bool cut_off) noexcept {
    const bool any = std::exchange(cutting_off_, false);
    proven_dead_ = proven_dead_ || (any && cut_off);
    fenced_count_ = 0;
    while (!fenced_.empty()) {
        Request &request = fenced_.pop_front();
        const bool in_doubt = request.device_word != 0 && !cut_off;
        completions_.add(request,
                         in_doubt ? Status{block::Outcome::path_in_doubt, ETIMEDOUT} : Status::path_lost());
    }
    if (!any || observer_ == nullptr)
        return;
    try_later();
    if (!why_down_.empty())
        report_down(std::exchange(why_down_, {}));
}

void NbdBackend::silent() noexcept {
    if (up_)
        lost(fmt::format("no sign of life for {} ms", stall_timeout_.count()));
}

void NbdBackend::overdue() noexcept {
    // Perhaps it was us who stood still: what lies in the socket was answered in time.
    connection_.take_answers(static_cast<int>(max_requests_));
    if (up_ && backlog_.is_overdue())
        lost(fmt::format("no answer for {} ms", io_timeout_.count()));
}

std::string NbdBackend::fence_command(const base::KeyValues &values) {
    return values.has("fence_command") ? values.get<std::string>("fence_command") : std::string();
}

} // namespace backend
