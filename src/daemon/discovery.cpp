// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/discovery.hpp"

#include "base/error.hpp"
#include "daemon/proposal.hpp"
#include "io/worker.hpp"

#include <atomic>
#include <memory>
#include <utility>

namespace nbdmpathd {

namespace {

constexpr std::chrono::seconds patience{30};
constexpr std::chrono::seconds time_to_end{2}; // for what was under way at the deadline
constexpr int most_at_a_time = 4;
std::atomic<int> looking{0};

/// One of those that look, until its thread has ended.
struct Place {
    Place() {
        if (looking >= most_at_a_time)
            throw base::Error(EBUSY, "{} others are looking already", most_at_a_time);
        ++looking;
    }
    Place(const Place &) = delete;
    Place &operator=(const Place &) = delete;
    ~Place() { --looking; }
};

command::Outcome outcome_of(const std::vector<std::string> &uris, const std::string &initiator,
                            const std::atomic<bool> &wanted) {
    try {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        const backend::Discovered found = backend::discover_iscsi(uris, initiator, deadline, wanted);
        return propose(found);
    } catch (const base::Error &error) {
        return {error.code(), error.what(), {}};
    } catch (const std::exception &error) {
        return {ENOMEM, error.what(), {}};
    }
}

} // namespace

Discovery::Discovery(io::Worker &control, std::vector<std::string> uris, std::string initiator,
                     command::Maps::Ended ended)
    : ended_(std::move(ended))
    , thread_(control)
    , patience_(control, base::Delegate<>::to<&Discovery::overdue>(*this)) {
    for (const std::string &uri : uris)
        backend::check_portal_uri(uri);
    auto place = std::make_shared<Place>();
    const auto outcome = std::make_shared<command::Outcome>();
    thread_.start(
        [place = std::move(place), outcome, uris = std::move(uris), initiator = std::move(initiator)](
            const std::atomic<bool> &wanted) { *outcome = outcome_of(uris, initiator, wanted); },
        [this, outcome] { end(*outcome); });
    patience_.start_in(patience + time_to_end);
}

void Discovery::end(const command::Outcome &outcome) {
    thread_.abandon();
    patience_.cancel();
    const command::Maps::Ended ended = std::move(ended_); // it may destroy us
    ended(outcome);
}

void Discovery::overdue() noexcept { end({ETIMEDOUT, "the portals did not answer in time", {}}); }

} // namespace nbdmpathd
