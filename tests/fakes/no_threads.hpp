// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <doctest/doctest.h>
#include <pthread.h>

namespace fakes {

/// While it lives no thread can be started: none has a stack as large as is asked for.
class NoThreads {
public:
    NoThreads() {
        REQUIRE(::pthread_getattr_default_np(&former_) == 0);
        pthread_attr_t huge;
        REQUIRE(::pthread_getattr_default_np(&huge) == 0);
        REQUIRE(::pthread_attr_setstacksize(&huge, std::size_t{1} << 50) == 0);
        REQUIRE(::pthread_setattr_default_np(&huge) == 0);
        ::pthread_attr_destroy(&huge);
    }
    NoThreads(const NoThreads &) = delete;
    NoThreads &operator=(const NoThreads &) = delete;
    ~NoThreads() {
        ::pthread_setattr_default_np(&former_);
        ::pthread_attr_destroy(&former_);
    }

private:
    pthread_attr_t former_{};
};

} // namespace fakes
