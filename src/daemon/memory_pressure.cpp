// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/memory_pressure.hpp"

#include "base/log.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/capability.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace nbdmpathd {

namespace {

bool may_lock_everything() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        return true;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    return ::syscall(SYS_capget, &header, sets) == 0 && (sets[0].effective & (1U << CAP_IPC_LOCK)) != 0;
}

// Under a limit it would succeed now, and later allocations would fail.
int lock_memory() noexcept {
    if (!may_lock_everything())
        return EPERM;
    return ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 ? 0 : errno;
}

int become_io_flusher() noexcept { return ::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0 ? 0 : errno; }

int ask_not_to_be_killed() noexcept {
    constexpr std::string_view score = "-900";
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const int error = ::write(fd, score.data(), score.size()) < 0 ? errno : 0;
    ::close(fd);
    return error;
}

struct Measure {
    std::string_view what;
    std::string_view needs;
    int (*take)() noexcept; ///< 0 or an errno value
};
constexpr Measure measures[] = {
    {"locking memory", "CAP_IPC_LOCK, or LimitMEMLOCK=infinity", lock_memory},
    {"PR_SET_IO_FLUSHER", "CAP_SYS_RESOURCE", become_io_flusher},
    {"a low OOM score", "CAP_SYS_RESOURCE", ask_not_to_be_killed},
};

} // namespace

void resist_memory_pressure() {
    std::string denied;
    for (const Measure &measure : measures)
        if (measure.take() != 0)
            denied += fmt::format("{}{} (needs {})", denied.empty() ? "" : ", ", measure.what, measure.needs);
    if (!denied.empty())
        base::log::info("where a client is on this host itself, memory can run short; not permitted: {}",
                        denied);
}

} // namespace nbdmpathd
