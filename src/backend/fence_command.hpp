// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "io/fd_watch.hpp"

#include <string>
#include <sys/types.h>

namespace backend {

/// Runs the command that a user gave for cutting a server off (design D3): when it has ended with status 0,
/// nothing that was sent to the server can be carried out any more. A shell of its own runs it, beside the
/// loop, with the server's output going where ours goes.
class FenceCommand {
public:
    /// `path` is told to the command as NBDMPATH_PATH. `ended` is called from the loop: true, the server is
    /// cut off; false, the command failed or took longer than `timeout`.
    FenceCommand(io::Worker &worker, std::string command, const std::string &path, base::Duration timeout,
                 base::Delegate<bool> ended);
    ~FenceCommand();

    /// Not while one is running. `address`: of the server, told as NBDMPATH_ADDRESS.
    void start(const std::string &address) noexcept;
    /// Kills what is running; `ended` is not called.
    void cancel() noexcept;
    [[nodiscard]] bool running() const noexcept { return child_ > 0; }

private:
    bool spawn(const std::string &address) noexcept;
    void exited() noexcept;
    void timed_out() noexcept;
    void no_child() noexcept;
    int reap(int flags) noexcept;

    io::Worker &worker_;
    const std::string command_;
    const std::string path_;
    const base::Duration timeout_;
    const base::Delegate<bool> ended_;
    pid_t child_ = -1;
    io::FdWatch watch_; ///< of the child
    base::Timer limit_;
    base::Task no_child_;
};

} // namespace backend
