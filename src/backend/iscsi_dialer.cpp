// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_dialer.hpp"

#include "base/log.hpp"
#include "io/worker.hpp"

#include <fmt/format.h>
#include <random>

namespace backend {

namespace {
constexpr std::string_view refused = "Connection refused"; // libiscsi gives no number
constexpr std::chrono::minutes between_questions{1};       // a portal that is silent takes connect_timeout

std::string fence_portal_of(const base::KeyValues &values) {
    return values.has("fence_portal") ? parse_numeric_portal(values.get<std::string>("fence_portal"))
                                      : std::string();
}
} // namespace

IscsiDialer::IscsiDialer(io::Worker &worker, std::string path, const IscsiUri &uri,
                         const base::KeyValues &values, IscsiSession &session, Owner &owner)
    : worker_(worker)
    , path_(std::move(path))
    , uri_(uri)
    , values_(values)
    , timeout_(values.get<std::chrono::milliseconds>("connect_timeout"))
    , fence_portal_(fence_portal_of(values))
    , session_(session)
    , owner_(owner)
    , former_(worker, base::Delegate<>::to<&IscsiDialer::log_in>(*this),
              base::Delegate<>::to<&IscsiDialer::former_failed>(*this))
    , resolver_(worker, uri.host, uri.port, base::Delegate<>::to<&IscsiDialer::resolved>(*this))
    , attempt_(worker, base::Delegate<>::to<&IscsiDialer::expired>(*this))
    , knows_fence_portal_(fence_portal_.empty()) {
    // Kept from session to session, so that a target ends the old one when the new one begins; no other
    // path's, whoever else on this machine goes to the same target with the same name.
    std::random_device random;
    login_.session_id = random() & 0xffffff;
    login_.session_qualifier = static_cast<std::uint16_t>(random() & 0xffff);
}

void IscsiDialer::dial() noexcept {
    next_portal_ = refusals_ = 0;
    try {
        IscsiLogin login = make_iscsi_login(uri_, values_);
        login.session_id = login_.session_id;
        login.session_qualifier = login_.session_qualifier;
        login_ = std::move(login);
    } catch (const std::exception &error) {
        give_up(error.what(), false);
        return;
    }
    attempt_.start_in(timeout_);
    resolver_.resolve();
}

void IscsiDialer::resolved() noexcept {
    if (resolver_.portals().empty())
        give_up(fmt::format("cannot resolve '{}': {}", uri_.host, resolver_.error()), false);
    else
        try_portal();
}

void IscsiDialer::try_portal() noexcept {
    const std::vector<std::string> &portals = resolver_.portals();
    // Evenly, so that a silent address does not keep the others from their try.
    attempt_.start_in(timeout_ / static_cast<base::Duration::rep>(portals.size()));
    portal_ = portals[next_portal_++];
    find_out();
}

/// There is a former session when something is not known yet.
void IscsiDialer::find_out() noexcept {
    former_is_elsewhere_ = !knows_fence_portal_ && worker_.now() >= next_question_;
    if (former_is_elsewhere_)
        former_.start(fence_portal_, login_);
    else if (!reinstates_)
        former_.start(portal_, login_);
    else
        log_in();
}

void IscsiDialer::former_failed() noexcept {
    if (former_is_elsewhere_)
        do_without(former_.why());
    else
        failed(former_.why());
}

void IscsiDialer::do_without(std::string_view why) noexcept {
    base::log::info("path {}: fence_portal {}: {}", path_, fence_portal_, why);
    former_.stop();
    attempt_.start_in(timeout_);
    next_question_ = worker_.now() + between_questions;
    find_out();
}

void IscsiDialer::log_in() noexcept { session_.start(portal_, login_); }

void IscsiDialer::reached() noexcept {
    attempt_.cancel();
    if (former_is_elsewhere_)
        compare_portals();
    else if (!reinstates_)
        reinstates_ = former_.was_ended();
    former_.stop();
}

/// Our login ended the one through the fence portal, or did not.
void IscsiDialer::compare_portals() noexcept {
    knows_fence_portal_ = true;
    if (former_.was_ended()) {
        reinstates_ = true;
        fenced_portal_ = portal_;
        return;
    }
    base::log::warning(
        "path {}: fence_portal {} is of no use: the target does not end a session there for a login at {}",
        path_, fence_portal_, portal_);
}

void IscsiDialer::cancel() noexcept {
    attempt_.cancel();
    resolver_.cancel();
    former_.stop();
}

void IscsiDialer::expired() noexcept {
    if (former_is_elsewhere_ && !former_.there() && !former_.was_ended()) {
        do_without("no answer");
        return;
    }
    failed(fmt::format("no session after {} ms",
                       std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count()));
}

void IscsiDialer::failed(std::string_view why) noexcept {
    const std::string reason = fmt::format("{}: {}", uri_.portal(), why);
    refusals_ += why.find(refused) != std::string_view::npos ? 1U : 0U;
    session_.stop();
    // Two sessions of one name are too much for it: so one is never lost to the other.
    if (former_.there() && former_is_elsewhere_)
        next_question_ = worker_.now() + between_questions;
    else if (former_.there())
        reinstates_ = false;
    former_.stop();
    if (next_portal_ != 0 && next_portal_ < resolver_.portals().size()) {
        base::log::debug("path {}: {}", path_, reason);
        try_portal();
        return;
    }
    give_up(reason, next_portal_ != 0 && refusals_ == resolver_.portals().size());
}

void IscsiDialer::give_up(std::string_view why, bool nobody_listens) noexcept {
    const std::string reason(why);
    attempt_.cancel();
    resolver_.cancel();
    base::log::debug("path {}: {}", path_, reason);
    owner_.not_reached(reason, nobody_listens);
}

} // namespace backend
