// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_tls_dialer.hpp"

#include "backend/nbd_connection.hpp"
#include "backend/nbd_dialer.hpp"
#include "base/error.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <libnbd.h>
#include <mutex>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace backend {

namespace {
// So often the thread looks whether it is still wanted.
constexpr int poll_milliseconds = 100;
} // namespace

struct NbdTlsDialer::Attempt {
    NbdUri uri;
    bool block_status = false;
    base::TimePoint end;
    std::mutex lock;
    io::Worker *worker = nullptr;   ///< nullptr when the dialer is gone: the worker may be, too
    NbdTlsDialer *dialer = nullptr; ///< read and written on the worker only
    std::atomic<bool> wanted{true};
    nbd_handle *handle = nullptr;
    std::string error;

    ~Attempt() { nbd_close(handle); }
};

NbdTlsDialer::NbdTlsDialer(io::Worker &worker, const NbdUri &uri, bool block_status,
                           base::Duration idle_limit, base::Delegate<nbd_handle *> negotiated,
                           base::Delegate<std::string_view> failed)
    : worker_(worker)
    , uri_(uri)
    , block_status_(block_status)
    , idle_limit_(idle_limit)
    , on_negotiated_(negotiated)
    , on_failed_(failed) {}

NbdTlsDialer::~NbdTlsDialer() { cancel(); }

void NbdTlsDialer::dial(base::Duration limit) {
    cancel();
    attempt_ = std::make_shared<Attempt>();
    attempt_->uri = uri_;
    attempt_->block_status = block_status_;
    attempt_->end = worker_.now() + limit;
    attempt_->worker = &worker_;
    attempt_->dialer = this;
    try {
        std::thread([attempt = attempt_] { run(attempt); }).detach();
    } catch (const std::system_error &error) {
        // From the loop, as always.
        attempt_->error = fmt::format("cannot start a thread: {}", error.what());
        worker_.post_from_anywhere([attempt = attempt_] {
            if (attempt->dialer != nullptr)
                attempt->dialer->ended(*attempt);
        });
    }
}

void NbdTlsDialer::cancel() noexcept {
    const std::shared_ptr<Attempt> attempt = std::exchange(attempt_, nullptr);
    if (attempt == nullptr)
        return;
    attempt->wanted = false;
    attempt->dialer = nullptr;
    const std::lock_guard hold(attempt->lock);
    attempt->worker = nullptr;
}

void NbdTlsDialer::run(const std::shared_ptr<Attempt> &attempt) {
    negotiate(*attempt);
    // Held while posting: the worker lives as long as the dialer has not taken it out.
    const std::lock_guard hold(attempt->lock);
    if (attempt->worker == nullptr)
        return;
    attempt->worker->post_from_anywhere([attempt] {
        if (attempt->dialer != nullptr)
            attempt->dialer->ended(*attempt);
    });
}

void NbdTlsDialer::negotiate(Attempt &attempt) {
    const NbdUri::Tls &tls = *attempt.uri.tls;
    // libnbd trusts anybody when it finds no authority, and says nothing.
    const std::string authority = tls.certificates + "/ca-cert.pem";
    if (!tls.certificates.empty() && tls.verify_peer && ::access(authority.c_str(), R_OK) != 0) {
        attempt.error = fmt::format("{}: {}", authority, base::errno_text(errno));
        return;
    }
    nbd_handle *handle = attempt.handle = nbd_create();
    const auto failed = [&attempt](int result) {
        if (result == -1)
            attempt.error = NbdConnection::readable_error();
        return result == -1;
    };
    if (failed(handle == nullptr ? -1 : nbd_set_tls(handle, LIBNBD_TLS_REQUIRE)) ||
        failed(nbd_set_tls_verify_peer(handle, tls.verify_peer)) ||
        (!tls.certificates.empty() && failed(nbd_set_tls_certificates(handle, tls.certificates.c_str()))) ||
        (!tls.psk_file.empty() && failed(nbd_set_tls_psk_file(handle, tls.psk_file.c_str()))) ||
        (!tls.user.empty() && failed(nbd_set_tls_username(handle, tls.user.c_str()))))
        return;
    NbdConnection::configure(handle, attempt.uri.export_name, attempt.block_status);
    if (failed(attempt.uri.is_unix()
                   ? nbd_aio_connect_unix(handle, attempt.uri.socket.c_str())
                   : nbd_aio_connect_tcp(handle, attempt.uri.host.c_str(), attempt.uri.port.c_str())))
        return;
    while (nbd_aio_is_ready(handle) != 1) {
        if (!attempt.wanted || base::Clock::now() > attempt.end) {
            attempt.error = "no answer";
            return;
        }
        if (failed(nbd_poll(handle, poll_milliseconds)))
            return;
        if (nbd_aio_is_dead(handle) == 1 || nbd_aio_is_closed(handle) == 1) {
            attempt.error = "the server closed the connection";
            return;
        }
    }
}

void NbdTlsDialer::ended(Attempt &attempt) {
    const std::shared_ptr<Attempt> kept = std::exchange(attempt_, nullptr);
    if (!attempt.error.empty()) {
        on_failed_(fmt::format("{}: {}", uri_.server(), attempt.error));
        return;
    }
    if (!uri_.is_unix())
        NbdDialer::set_tcp_options(nbd_aio_get_fd(attempt.handle), idle_limit_);
    on_negotiated_(std::exchange(attempt.handle, nullptr));
}

} // namespace backend
