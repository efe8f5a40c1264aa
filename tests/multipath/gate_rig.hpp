// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "rig.hpp"

/// A rig with somebody who suspends and resumes.
class GateRig : public Rig {
public:
    using Rig::Rig;
    ~GateRig() {
        map.withdraw(suspend_ticket);
        map.withdraw(resume_ticket);
    }

    void start_suspend(bool noflush) {
        suspended = "pending";
        map.suspend(suspend_ticket, noflush);
        scheduler.run();
    }
    std::string suspend(bool noflush = false) {
        start_suspend(noflush);
        return suspended;
    }
    std::string resume(bool noflush = false) {
        resumed = "pending";
        map.resume(resume_ticket, noflush);
        scheduler.run();
        return resumed;
    }
    void fail_all() {
        for (const char *path : {"P1", "P2", "P3", "P4"})
            message(std::string("fail_path ") + path);
    }

    std::string suspended;
    std::string resumed;
    multipath::Ticket suspend_ticket{base::Delegate<int>::to<&GateRig::suspend_ended>(*this)};
    multipath::Ticket resume_ticket{base::Delegate<int>::to<&GateRig::resume_ended>(*this)};

private:
    static std::string text(int result) { return result == 0 ? "ok" : base::errno_name(result); }
    void suspend_ended(int result) {
        suspended = text(result);
        log.emplace_back("suspended");
    }
    void resume_ended(int result) { resumed = text(result); }
};
