// SPDX-License-Identifier: BSD-3-Clause
#include "io/answer_groups.hpp"

#include <algorithm>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace io {

AnswerGroups::AnswerGroups(base::Scheduler &scheduler) noexcept
    : scheduler_(scheduler)
    , patience_(scheduler, base::Delegate<>::to<&AnswerGroups::look>(*this)) {}

void AnswerGroups::start(int fd) noexcept {
    fd_ = fd;
    threshold_ = 1;
    under_way_ = urgent_ = bytes_ = came_ = speed_ = 0;
    measuring_since_ = scheduler_.now();
    pause_ = shortest_pause;
    paused_until_ = {};
}

void AnswerGroups::stop() noexcept {
    set(1);
    patience_.cancel();
    fd_ = -1;
}

void AnswerGroups::sent(std::size_t answer, bool urgent) noexcept {
    ++under_way_;
    bytes_ += answer;
    urgent_ += urgent ? 1 : 0;
}

void AnswerGroups::answered(std::size_t answer, bool urgent) noexcept {
    --under_way_;
    bytes_ -= answer;
    came_ += answer;
    urgent_ -= urgent ? 1 : 0;
}

void AnswerGroups::heard() noexcept { heard_ = scheduler_.now(); }

void AnswerGroups::measure() noexcept {
    const base::Duration time = scheduler_.now() - measuring_since_;
    if (time < measured_time)
        return;
    speed_ = came_ * static_cast<std::size_t>(fast.count()) / static_cast<std::size_t>(time.count());
    came_ = 0;
    measuring_since_ = scheduler_.now();
}

/// Less is enough to go on with groups than to begin, so that it does not go to and fro.
std::size_t AnswerGroups::wanted() const noexcept {
    const bool has_groups = threshold_ != 1;
    if (urgent_ != 0 || under_way_ < (has_groups ? fewest / 2 : fewest) || scheduler_.now() < paused_until_)
        return 1;
    const std::size_t group = std::min(bytes_ / under_way_ * (has_groups ? 3 : 4) / 2, worth_it);
    const std::size_t bytes = std::min(bytes_ / divisor, most);
    return bytes < group || speed_ < group ? 1 : bytes;
}

void AnswerGroups::settle() noexcept {
    if (fd_ < 0)
        return;
    measure();
    const std::size_t bytes = wanted();
    // As long as it is about right it stays: changing it is a system call.
    if (threshold_ != 1 && threshold_ <= 2 * bytes && bytes <= 2 * threshold_ && 2 * threshold_ <= bytes_)
        return;
    set(bytes);
    if (threshold_ != 1 && !patience_.active()) {
        heard_ = scheduler_.now();
        patience_.start_in(longest_wait);
    }
}

void AnswerGroups::set(std::size_t bytes) noexcept {
    if (fd_ < 0 || bytes == threshold_)
        return;
    threshold_ = bytes;
    const int value = static_cast<int>(bytes);
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
}

/// One timer that runs on while there are groups, so that answers that come in time cost nothing.
void AnswerGroups::look() noexcept {
    if (threshold_ == 1)
        return;
    const base::TimePoint now = scheduler_.now();
    if (now - heard_ < longest_wait) {
        patience_.start_at(heard_ + longest_wait);
        return;
    }
    set(1); // until the next turn in which there is something to settle
    int waiting = 0;
    if (::ioctl(fd_, FIONREAD, &waiting) == 0 && waiting == 0)
        return; // nobody waits for company: the peer just takes its time
    paused_until_ = now + pause_;
    pause_ = std::min(2 * pause_, longest_pause);
}

} // namespace io
