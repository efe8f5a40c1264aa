// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io/worker.hpp"

#include <cassert>
#include <cstddef>

namespace io {

/// Counts what another process has to do for us. While it has something to do, the loop leaves the processor
/// to it as soon as there is nothing else to be done here.
class UnderWay {
public:
    explicit UnderWay(Worker &worker) noexcept
        : worker_(worker) {}
    UnderWay(const UnderWay &) = delete;
    UnderWay &operator=(const UnderWay &) = delete;
    ~UnderWay() { clear(); }

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] bool none() const noexcept { return count_ == 0; }
    void begin() noexcept {
        if (count_++ == 0)
            worker_.peers_at_work(1);
    }
    void end() noexcept {
        assert(count_ != 0);
        if (--count_ == 0)
            worker_.peers_at_work(-1);
    }
    void clear() noexcept {
        if (count_ != 0)
            worker_.peers_at_work(-1);
        count_ = 0;
    }

private:
    Worker &worker_;
    std::size_t count_ = 0;
};

} // namespace io
