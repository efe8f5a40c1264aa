// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/pipe_pool.hpp"

#include <cassert>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace nbd {

namespace {

void close_both(block::Pipe &pipe) noexcept {
    if (pipe.in < 0)
        return;
    ::close(pipe.in);
    ::close(pipe.out);
    pipe = {};
}

} // namespace

PipePool::~PipePool() {
    assert(free_count_ == made_);
    for (block::Pipe &pipe : pipes_)
        close_both(pipe);
}

block::Pipe *PipePool::take() noexcept {
    if (free_count_ == 0) {
        if (made_ == most)
            return nullptr;
        free_[free_count_++] = &pipes_[made_++];
    }
    block::Pipe *pipe = free_[free_count_ - 1];
    if (pipe->in < 0) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
            return nullptr;
        *pipe = {ends[1], ends[0]};
        if (::fcntl(pipe->in, F_SETPIPE_SZ, capacity) < capacity) {
            close_both(*pipe);
            return nullptr;
        }
    }
    --free_count_;
    return pipe;
}

void PipePool::rest() noexcept {
    for (std::size_t i = 0; i < free_count_; ++i)
        close_both(*free_[i]);
}

void PipePool::give_back(block::Pipe *pipe, bool used) noexcept {
    int left = 0;
    if (!used || ::ioctl(pipe->out, FIONREAD, &left) != 0 || left != 0)
        close_both(*pipe);
    free_[free_count_++] = pipe;
}

} // namespace nbd
