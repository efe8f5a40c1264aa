// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

namespace backend {

/// A session for asking what there is, for a thread that may wait: every call does, until the deadline at
/// most, and not much longer than it is wanted. Every call throws base::Error, whose text has no secret.
class IscsiInquirer {
public:
    using Clock = std::chrono::steady_clock;
    struct Target {
        std::string name;
        std::vector<std::string> portals; ///< "10.0.0.1:3260", "[::1]:3260"
    };

    /// Connects and logs in, without a target into a discovery session; where the target sends us, if it
    /// does. `portal`: a host and a port.
    IscsiInquirer(const std::string &portal, const IscsiLogin &login, Clock::time_point deadline,
                  const std::atomic<bool> &wanted);
    IscsiInquirer(const IscsiInquirer &) = delete;
    IscsiInquirer &operator=(const IscsiInquirer &) = delete;
    ~IscsiInquirer();

    /// In a discovery session.
    std::vector<Target> targets();
    /// What a unit answers, as much of it as came.
    std::vector<std::byte> ask(int lun, const ScsiCommand &command);

private:
    static void on_end(iscsi_context *, int status, void *, void *self) noexcept;
    static void on_targets(iscsi_context *, int status, void *list, void *self) noexcept;
    /// Empty: it is logged in; else the text with which the target sends us on.
    std::string begin(const std::string &portal, const IscsiLogin &login);
    void check_begun(int result);
    [[nodiscard]] std::chrono::milliseconds time_left() const;
    /// For the end of what was begun.
    void wait();
    [[noreturn]] void fail();

    iscsi_context *context_ = nullptr;
    const Clock::time_point deadline_;
    const std::atomic<bool> &wanted_;
    bool ended_ = false; ///< what was begun, with this status
    int status_ = 0;
    std::string why_; ///< it is no good one
    std::string redirect_;
    std::vector<Target> targets_;
    std::vector<scsi_task *> tasks_; ///< libiscsi may look at them as long as it has the context
};

} // namespace backend
