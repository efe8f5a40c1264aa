// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_inquirer.hpp"

#include "backend/iscsi_route.hpp"
#include "base/error.hpp"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <utility>

namespace backend {

namespace {

constexpr std::size_t longest_reason = 300;
constexpr std::size_t most_targets = 1024;
constexpr std::size_t most_portals = 64;
constexpr int most_attempts = 10; // a new session finds several unit attentions waiting
// At whether it is wanted.
constexpr std::chrono::milliseconds between_looks{100};

/// "10.0.0.1:3260,1" without the number of its portal group.
std::string address_of(std::string_view portal) { return std::string(portal.substr(0, portal.rfind(','))); }

} // namespace

IscsiInquirer::IscsiInquirer(const std::string &portal, const IscsiLogin &login, Clock::time_point deadline,
                             const std::atomic<bool> &wanted)
    : deadline_(deadline)
    , wanted_(wanted) {
    IscsiRoute route;
    route.begin({portal});
    while (route.next()) {
        context_ = iscsi_create_context(login.initiator.c_str());
        if (context_ == nullptr)
            throw base::Error(ENOMEM, "libiscsi has no memory");
        try {
            const std::string address = begin(route.portal(), login);
            if (address.empty())
                return;
            const std::string next = parse_target_address(address).portal();
            route.follow(std::span(&next, 1));
        } catch (const base::Error &error) {
            iscsi_destroy_context(context_);
            if (!route.redirected())
                throw;
            throw base::Error(error.code(), "{}: {}", route.text(), error.what());
        }
        iscsi_destroy_context(context_);
    }
}

IscsiInquirer::~IscsiInquirer() {
    if (iscsi_is_logged_in(context_) != 0 && iscsi_logout_async(context_, on_end, this) == 0)
        iscsi_service(context_, POLLOUT); // as far as the socket takes it at once
    iscsi_destroy_context(context_);
    for (scsi_task *task : tasks_)
        scsi_free_scsi_task(task);
}

std::string IscsiInquirer::begin(const std::string &portal, const IscsiLogin &login) {
    (void)time_left();
    ended_ = false;
    redirect_.clear();
    iscsi_set_noautoreconnect(context_, 1);
    iscsi_set_session_type(context_, login.target.empty() ? ISCSI_SESSION_DISCOVERY : ISCSI_SESSION_NORMAL);
    if (!login.target.empty())
        iscsi_set_targetname(context_, login.target.c_str());
    iscsi_set_isid_random(context_, login.session_id, login.session_qualifier);
    if (!login.user.empty())
        iscsi_set_initiator_username_pwd(context_, login.user.c_str(), login.secret.c_str());
    if (!login.target_user.empty())
        iscsi_set_target_username_pwd(context_, login.target_user.c_str(), login.target_secret.c_str());
    check_begun(iscsi_connect_async(context_, portal.c_str(), on_end, this));
    ::fcntl(iscsi_get_fd(context_), F_SETFD, FD_CLOEXEC);
    wait();
    check_begun(iscsi_login_async(context_, on_end, this));
    try {
        wait();
    } catch (const base::Error &) {
        if (redirect_.empty())
            throw;
    }
    return std::exchange(redirect_, {});
}

std::vector<IscsiInquirer::Target> IscsiInquirer::targets() {
    targets_.clear();
    check_begun(iscsi_discovery_async(context_, on_targets, this));
    wait();
    // libiscsi has them the other way round.
    std::ranges::sort(targets_, {}, &Target::name);
    for (Target &target : targets_)
        std::ranges::reverse(target.portals);
    return targets_;
}

std::vector<std::byte> IscsiInquirer::ask(int lun, const ScsiCommand &command) {
    for (int attempt = 1;; ++attempt) {
        auto block = command.block;
        scsi_task *task =
            scsi_create_task(command.block_size, reinterpret_cast<unsigned char *>(block.data()),
                             SCSI_XFER_READ, static_cast<int>(command.length));
        if (task == nullptr)
            throw base::Error(ENOMEM, "libiscsi has no memory");
        tasks_.push_back(task);
        check_begun(iscsi_scsi_command_async(context_, lun, task, on_end, nullptr, this));
        try {
            wait();
        } catch (const base::Error &) {
            if (status_ != SCSI_STATUS_CHECK_CONDITION)
                throw;
            const auto code = static_cast<unsigned>(task->sense.ascq);
            if (task->sense.key != SCSI_SENSE_UNIT_ATTENTION || attempt == most_attempts)
                throw base::Error(EIO, "sense {:x}/{:02x}/{:02x}", static_cast<unsigned>(task->sense.key),
                                  code >> 8, code & 0xff);
            continue;
        }
        const auto *data = reinterpret_cast<const std::byte *>(task->datain.data);
        const auto size = static_cast<std::size_t>(std::max(task->datain.size, 0));
        return data == nullptr
                   ? std::vector<std::byte>()
                   : std::vector<std::byte>(data, data + std::min<std::size_t>(size, command.length));
    }
}

void IscsiInquirer::on_end(iscsi_context *context, int status, void *, void *self) noexcept {
    auto &inquirer = *static_cast<IscsiInquirer *>(self);
    inquirer.ended_ = true;
    inquirer.status_ = status;
    inquirer.redirect_ = redirect_of(context, status);
    // Here: afterwards libiscsi may complain that it cannot connect again.
    const char *text = status == SCSI_STATUS_GOOD ? nullptr : iscsi_get_error(context);
    inquirer.why_ = text == nullptr ? "" : text;
}

void IscsiInquirer::on_targets(iscsi_context *context, int status, void *list, void *self) noexcept {
    auto &inquirer = *static_cast<IscsiInquirer *>(self);
    const auto *target = static_cast<const iscsi_discovery_address *>(list);
    for (; status == SCSI_STATUS_GOOD && target != nullptr && inquirer.targets_.size() < most_targets;
         target = target->next) {
        Target &found = inquirer.targets_.emplace_back();
        found.name = target->target_name;
        for (const auto *portal = target->portals; portal != nullptr && found.portals.size() < most_portals;
             portal = portal->next)
            found.portals.push_back(address_of(portal->portal));
    }
    on_end(context, status, nullptr, self);
}

void IscsiInquirer::check_begun(int result) {
    if (result != 0)
        fail();
}

std::chrono::milliseconds IscsiInquirer::time_left() const {
    if (!wanted_)
        throw base::Error(ECANCELED, "nobody waits for an answer any more");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0)
        throw base::Error(ETIMEDOUT, "no answer in time");
    return left;
}

void IscsiInquirer::wait() {
    while (!ended_) {
        const auto pause = std::min(time_left(), between_looks);
        pollfd socket{.fd = iscsi_get_fd(context_),
                      .events = static_cast<short>(iscsi_which_events(context_)),
                      .revents = 0};
        const int ready = ::poll(&socket, 1, static_cast<int>(pause.count()));
        // Told of an error libiscsi forgets which it was; trying to read or write it finds out.
        if (ready > 0 && iscsi_service(context_, socket.events) != 0)
            fail();
    }
    ended_ = false;
    if (status_ != SCSI_STATUS_GOOD)
        fail();
}

void IscsiInquirer::fail() {
    const char *text = iscsi_get_error(context_);
    std::string why = !why_.empty()                      ? why_
                      : text == nullptr || *text == '\0' ? "the target closed the connection"
                                                         : text;
    why.resize(std::min(why.size(), longest_reason));
    throw base::Error(EIO, "{}", why);
}

} // namespace backend
