// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/nbd_uri.hpp"
#include "base/delegate.hpp"
#include "base/scheduler.hpp"
#include "io/side_thread.hpp"

#include <atomic>
#include <string>
#include <string_view>

struct nbd_handle;

namespace backend {

/// Connects to a server and negotiates inside TLS, in a short-lived thread: libnbd resolves names and shakes
/// hands only where it may wait, and checks the server's name only when it connects by itself. Used by the
/// NBD backend, on its worker.
class NbdTlsDialer {
public:
    /// After dial() one of both is called, from the loop: `negotiated` with a handle that is ready for
    /// commands and the callee's, or `failed` with one line.
    NbdTlsDialer(io::Worker &worker, const NbdUri &uri, bool block_status, base::Duration idle_limit,
                 base::Delegate<nbd_handle *> negotiated, base::Delegate<std::string_view> failed);
    NbdTlsDialer(const NbdTlsDialer &) = delete;
    NbdTlsDialer &operator=(const NbdTlsDialer &) = delete;

    /// The thread gives up after `limit`, as far as libnbd lets it.
    void dial(base::Duration limit);
    /// Neither delegate is called any more for the present dial().
    void cancel() noexcept;

private:
    struct Attempt;

    static void negotiate(Attempt &attempt, const std::atomic<bool> &wanted);
    void ended(Attempt &attempt);
    void refused() noexcept;

    io::Worker &worker_;
    const NbdUri uri_;
    const bool block_status_;
    const base::Duration idle_limit_;
    base::Delegate<nbd_handle *> on_negotiated_;
    base::Delegate<std::string_view> on_failed_;
    io::SideThread thread_;
    base::Task refusal_; ///< there is no thread
    std::string why_;
};

} // namespace backend
