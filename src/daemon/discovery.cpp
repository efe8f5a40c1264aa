// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/discovery.hpp"

#include "base/error.hpp"
#include "daemon/proposal.hpp"
#include "io/worker.hpp"

#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace nbdmpathd {

namespace {

constexpr std::chrono::seconds patience{30};
constexpr std::chrono::seconds time_to_end{2}; // for what was under way at the deadline
constexpr int most_at_a_time = 4;
std::atomic<int> looking{0};

command::Outcome outcome_of(const std::vector<std::string> &uris, const std::string &initiator) {
    try {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        const backend::Discovered found = backend::discover_iscsi(uris, initiator, deadline);
        return propose(found);
    } catch (const base::Error &error) {
        return {error.code(), error.what(), {}};
    } catch (const std::exception &error) {
        return {ENOMEM, error.what(), {}};
    }
}

} // namespace

struct Discovery::Shared {
    std::vector<std::string> uris;
    std::string initiator;
    std::mutex lock;
    io::Worker *control;        ///< nullptr when nobody waits any more: the worker may be gone then
    command::Maps::Ended ended; ///< control loop only
};

Discovery::Discovery(io::Worker &control, std::vector<std::string> uris, std::string initiator,
                     command::Maps::Ended ended)
    : shared_(std::make_shared<Shared>())
    , patience_(control, base::Delegate<>::to<&Discovery::overdue>(*this)) {
    for (const std::string &uri : uris)
        backend::check_portal_uri(uri);
    if (looking >= most_at_a_time)
        throw base::Error(EBUSY, "{} others are looking already", most_at_a_time);
    shared_->uris = std::move(uris);
    shared_->initiator = std::move(initiator);
    shared_->control = &control;
    shared_->ended = std::move(ended);
    ++looking;
    try {
        std::thread([shared = shared_] { look(shared); }).detach();
    } catch (const std::system_error &error) {
        --looking;
        throw base::Error(EAGAIN, "a thread for it cannot be started: {}", error.code().message());
    }
    patience_.start_in(patience + time_to_end);
}

Discovery::~Discovery() {
    shared_->ended = nullptr;
    const std::lock_guard hold(shared_->lock);
    shared_->control = nullptr;
}

void Discovery::look(const std::shared_ptr<Shared> &shared) {
    command::Outcome outcome = outcome_of(shared->uris, shared->initiator);
    --looking;
    // Held while posting: the worker lives as long as nobody has taken it out.
    const std::lock_guard hold(shared->lock);
    if (shared->control == nullptr)
        return;
    shared->control->post_from_anywhere([weak = std::weak_ptr(shared), outcome = std::move(outcome)] {
        const auto waiting = weak.lock();
        if (waiting && waiting->ended)
            std::exchange(waiting->ended, nullptr)(outcome);
    });
}

void Discovery::overdue() noexcept {
    if (shared_->ended)
        std::exchange(shared_->ended, nullptr)({ETIMEDOUT, "the portals did not answer in time", {}});
}

} // namespace nbdmpathd
