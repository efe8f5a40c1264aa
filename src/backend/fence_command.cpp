// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fence_command.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/worker.hpp"

#include <csignal>
#include <cstring>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern "C" { // this header of glibc 2.36 does not say so itself
#include <sys/pidfd.h>
}

namespace backend {

namespace {

/// The child has a process group of its own, so that all of it can be killed, and signals as a shell expects.
class SpawnAttributes {
public:
    SpawnAttributes() noexcept {
        ::posix_spawnattr_init(&attributes_);
        ::posix_spawnattr_setflags(
            &attributes_,
            static_cast<short>(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
        sigset_t signals;
        ::sigfillset(&signals);
        ::posix_spawnattr_setsigdefault(&attributes_, &signals);
        ::sigemptyset(&signals);
        ::posix_spawnattr_setsigmask(&attributes_, &signals);
    }
    ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
    SpawnAttributes(const SpawnAttributes &) = delete;
    SpawnAttributes &operator=(const SpawnAttributes &) = delete;
    [[nodiscard]] const posix_spawnattr_t *get() const noexcept { return &attributes_; }

private:
    posix_spawnattr_t attributes_{};
};

} // namespace

FenceCommand::FenceCommand(io::Worker &worker, std::string command, const std::string &path,
                           base::Duration timeout, base::Delegate<bool> ended)
    : worker_(worker)
    , command_(std::move(command))
    , path_("NBDMPATH_PATH=" + path)
    , timeout_(timeout)
    , ended_(ended)
    , limit_(worker, base::Delegate<>::to<&FenceCommand::timed_out>(*this))
    , no_child_(base::Delegate<>::to<&FenceCommand::no_child>(*this)) {}

FenceCommand::~FenceCommand() { cancel(); }

void FenceCommand::start(const std::string &address) noexcept {
    if (!spawn("NBDMPATH_ADDRESS=" + address)) {
        worker_.post(no_child_);
        return;
    }
    base::log::warning("{}: fence_command has process id {}", path_.substr(path_.find('=') + 1), child_);
    watch_.wait_read(base::Delegate<>::to<&FenceCommand::exited>(*this));
    limit_.start_in(timeout_);
}

bool FenceCommand::spawn(const std::string &address) noexcept {
    std::vector<char *> environment;
    for (char **word = environ; *word != nullptr; ++word)
        environment.push_back(*word);
    const char *words[] = {"sh", "-c", command_.c_str(), nullptr};
    for (const std::string *own : {&path_, &address})
        environment.push_back(const_cast<char *>(own->c_str()));
    environment.push_back(nullptr);
    const SpawnAttributes attributes;
    const int error = ::posix_spawn(&child_, "/bin/sh", nullptr, attributes.get(), const_cast<char **>(words),
                                    environment.data());
    const int fd = error == 0 ? ::pidfd_open(child_, 0) : -1;
    if (fd >= 0) {
        watch_ = io::FdWatch(worker_, fd);
        return true;
    }
    base::log::error("fence_command cannot be run: {}", base::errno_text(error != 0 ? error : errno));
    if (error == 0)
        cancel();
    child_ = -1;
    return false;
}

int FenceCommand::reap(int flags) noexcept {
    int status = -1;
    const pid_t found = ::waitpid(child_, &status, flags);
    if (found == 0)
        return -1;
    child_ = -1;
    limit_.cancel();
    watch_.close();
    return found > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void FenceCommand::exited() noexcept {
    const int status = reap(WNOHANG);
    if (status != 0)
        base::log::error("{}: fence_command failed with status {}", path_.substr(path_.find('=') + 1),
                         status);
    ended_(status == 0);
}

void FenceCommand::timed_out() noexcept {
    base::log::error("{}: fence_command takes too long", path_.substr(path_.find('=') + 1));
    cancel();
    ended_(false);
}

void FenceCommand::no_child() noexcept { ended_(false); }

void FenceCommand::cancel() noexcept {
    no_child_.withdraw();
    if (child_ <= 0)
        return;
    ::kill(-child_, SIGKILL);
    reap(0); // killed: at once
}

} // namespace backend
