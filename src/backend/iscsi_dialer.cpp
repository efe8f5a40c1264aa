// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_dialer.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <fmt/format.h>
#include <random>

namespace backend {

namespace {
constexpr std::string_view nobody_there = "Connection refused"; // libiscsi gives no number
constexpr std::chrono::minutes between_questions{1}; // a portal that is silent takes connect_timeout
constexpr std::size_t most_portals = 64;             // to know something about

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
    route_ = {};
    former_is_elsewhere_ = false;
    try {
        IscsiLogin login = make_iscsi_login(uri_, values_);
        login.session_id = login_.session_id;
        login.session_qualifier = login_.session_qualifier;
        login_ = std::move(login);
    } catch (const std::exception &error) {
        give_up(error.what());
        return;
    }
    attempt_.start_in(timeout_);
    resolver_.resolve();
}

void IscsiDialer::resolved() noexcept {
    route_.begin(resolver_.portals());
    deadline_ = worker_.now() + timeout_;
    if (route_.next())
        try_portal();
    else
        give_up(fmt::format("cannot resolve '{}': {}", uri_.host, resolver_.error()));
}

void IscsiDialer::try_portal() noexcept {
    // Evenly, so that a silent address does not keep the others from their try.
    attempt_.start_in((deadline_ - worker_.now()) / static_cast<base::Duration::rep>(route_.left()));
    // There is a former session when something is not known yet.
    former_is_elsewhere_ = !knows_fence_portal_ && worker_.now() >= next_question_;
    if (former_is_elsewhere_)
        former_.start(fence_portal_, login_);
    else if (!reinstates(portal()))
        former_.start(portal(), login_);
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
    next_question_ = worker_.now() + between_questions;
    deadline_ = worker_.now() + timeout_;
    try_portal();
}

void IscsiDialer::log_in() noexcept { session_.start(portal(), login_); }

void IscsiDialer::reached() noexcept {
    attempt_.cancel();
    last_portal_ = portal();
    if (former_is_elsewhere_)
        compare_portals();
    else if (!reinstates(portal()))
        learn(former_.was_ended());
    former_.stop();
    if (route_.redirected())
        base::log::info("path {}: the target has sent us on: {}", path_, route_.text());
}

std::optional<bool> IscsiDialer::reinstates(const std::string &portal) const noexcept {
    const auto known = reinstates_.find(portal);
    return known == reinstates_.end() ? std::nullopt : std::optional(known->second);
}

void IscsiDialer::learn(bool reinstates) {
    if (reinstates_.size() >= most_portals)
        reinstates_.clear(); // to be found out again
    reinstates_[portal()] = reinstates;
}

/// Our login ended the one through the fence portal, or did not.
void IscsiDialer::compare_portals() noexcept {
    knows_fence_portal_ = true;
    if (former_.was_ended()) {
        learn(true);
        fenced_portal_ = portal();
        return;
    }
    base::log::warning(
        "path {}: fence_portal {} is of no use: the target does not end a session there for a login at {}",
        path_, fence_portal_, portal());
}

void IscsiDialer::cancel() noexcept {
    attempt_.cancel();
    resolver_.cancel();
    if (redirect_)
        redirect_->cancel();
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
    const std::string &address = session_.redirect().empty() ? former_.redirect() : session_.redirect();
    if (!address.empty()) {
        follow(std::string(address));
        return;
    }
    if (why.find(nobody_there) != std::string_view::npos)
        route_.refused();
    // Two sessions of one name are too much for it: so one is never lost to the other.
    if (former_.there() && former_is_elsewhere_)
        next_question_ = worker_.now() + between_questions;
    else if (former_.there())
        learn(false);
    go_on(why);
}

/// What is known of a former session here is worth nothing where it sends us.
void IscsiDialer::follow(const std::string &address) noexcept {
    session_.stop();
    former_.stop();
    former_is_elsewhere_ = false;
    try {
        const IscsiUri to = parse_target_address(address);
        if (!redirect_ || !redirect_->is_for(to.host, to.port)) {
            // One thread at a time, whatever the target says.
            if (redirect_ && redirect_->running())
                throw base::Error(EBUSY, "the target sends us to '{}' while another name is looked up",
                                  to.portal());
            redirect_.emplace(worker_, to.host, to.port,
                              base::Delegate<>::to<&IscsiDialer::redirect_resolved>(*this));
        }
    } catch (const std::exception &error) {
        go_on(error.what());
        return;
    }
    redirect_->resolve();
}

void IscsiDialer::redirect_resolved() noexcept {
    try {
        if (redirect_->portals().empty())
            throw base::Error(ENOENT, "cannot resolve where the target sends us: {}", redirect_->error());
        route_.follow(redirect_->portals());
    } catch (const std::exception &error) {
        go_on(error.what());
        return;
    }
    (void)route_.next();
    try_portal();
}

/// With the next portal, if there is one and time for it.
void IscsiDialer::go_on(std::string_view why) noexcept {
    const std::string reason =
        fmt::format("{}: {}", route_.redirected() ? route_.text() : uri_.portal(), why);
    session_.stop();
    former_.stop();
    if (redirect_)
        redirect_->cancel();
    if (worker_.now() >= deadline_ || !route_.next()) {
        give_up(reason);
        return;
    }
    base::log::debug("path {}: {}", path_, reason);
    try_portal();
}

void IscsiDialer::give_up(std::string_view why) noexcept {
    const std::string reason(why);
    attempt_.cancel();
    resolver_.cancel();
    if (redirect_)
        redirect_->cancel();
    base::log::debug("path {}: {}", path_, reason);
    owner_.not_reached(reason, route_.silent());
}

} // namespace backend
