// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "base/object_pool.hpp"
#include "base/scheduler.hpp"
#include "block/request.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace backend {

/// What a backend has accepted and not finished: each request with its job, waiting for its turn or sent, and
/// an alarm for the first whose time is over. A `Job` is made of its request and its deadline, and is on no
/// other list while it waits or when drop_all() is called. On the worker only.
template <typename Job>
class Backlog {
public:
    struct Limits {
        std::size_t sent;    ///< at the same time
        base::Duration time; ///< of a request, from its acceptance
    };
    /// `alarm` is called when a request may be overdue: is_overdue() tells.
    Backlog(base::Scheduler &scheduler, const Limits &limits, base::Delegate<> alarm) noexcept
        : scheduler_(scheduler)
        , limits_(limits)
        , alarm_(scheduler, alarm) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t sent() const noexcept { return sent_; }

    void accept(block::Request &request) {
        Job &job = jobs_.make(request, scheduler_.now() + limits_.time);
        request.device_word = reinterpret_cast<std::uintptr_t>(&job);
        accepted_.push_back(request);
        ++size_;
        if (!alarm_.active())
            alarm_.start_at(job.deadline());
        waiting_.push_back(job);
    }

    /// The next one to be sent, which counts as sent from now on. nullptr: none waits, or enough are sent.
    [[nodiscard]] Job *next() noexcept {
        if (sent_ >= limits_.sent || waiting_.empty())
            return nullptr;
        ++sent_;
        return &waiting_.pop_front();
    }

    /// Of a job that was sent: it ends, and its request is the caller's to answer.
    block::Request &finish(Job &job) noexcept {
        block::Request &request = job.request();
        jobs_.end(job);
        --sent_;
        request.unlink();
        --size_;
        return request;
    }

    /// Ends all jobs and gives back their requests in the order of acceptance, as `each(request, was_sent,
    /// error)`; the error says whether its time was over. Nothing may be accepted meanwhile.
    template <typename Each>
    void drop_all(Each &&each) noexcept {
        alarm_.cancel();
        while (!accepted_.empty()) {
            block::Request &request = accepted_.pop_front();
            Job &job = job_of(request);
            const bool was_sent = !job.linked();
            if (!was_sent)
                job.unlink();
            const int error = job.deadline() <= scheduler_.now() ? ETIMEDOUT : ENOTCONN;
            jobs_.end(job);
            each(request, was_sent, error);
        }
        size_ = sent_ = 0;
    }

    /// For whom the alarm calls. If nothing is, it will ring again.
    [[nodiscard]] bool is_overdue() {
        if (accepted_.empty())
            return false; // the next request starts it
        const base::TimePoint deadline = job_of(accepted_.front()).deadline();
        if (deadline <= scheduler_.now())
            return true;
        alarm_.start_at(deadline);
        return false;
    }

private:
    static Job &job_of(const block::Request &request) noexcept {
        return *reinterpret_cast<Job *>(request.device_word);
    }

    base::Scheduler &scheduler_;
    const Limits limits_;
    base::List<block::Request> accepted_; ///< in order of acceptance, which is the deadlines'
    base::List<Job> waiting_;             ///< those of them that are not sent yet
    std::size_t size_ = 0;
    std::size_t sent_ = 0;
    base::ObjectPool<Job> jobs_;
    base::Timer alarm_;
};

} // namespace backend
