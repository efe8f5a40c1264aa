// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstring>
#include <openssl/err.h>
#include <string>

namespace nbd {

/// What OpenSSL says went wrong on this thread; forgotten afterwards.
inline std::string take_tls_error() {
    const unsigned long code = ::ERR_peek_last_error();
    const char *reason = ::ERR_reason_error_string(code);
    std::string text = reason != nullptr ? reason : "unknown error";
    // The system's own reasons, as a missing file, come first in the queue.
    if (const unsigned long first = ::ERR_peek_error(); ERR_SYSTEM_ERROR(first)) {
        char buffer[256] = "";
        text = ::strerror_r(ERR_GET_REASON(first), buffer, sizeof buffer);
    }
    ::ERR_clear_error();
    return text;
}

} // namespace nbd
