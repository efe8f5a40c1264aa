// SPDX-License-Identifier: BSD-3-Clause
#include "backend/nbd_tls_dialer.hpp"

#include "backend/nbd_connection.hpp"
#include "backend/nbd_dialer.hpp"
#include "base/error.hpp"
#include "io/worker.hpp"

#include <fmt/format.h>
#include <libnbd.h>
#include <memory>
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
    , on_failed_(failed)
    , thread_(worker)
    , refusal_(base::Delegate<>::to<&NbdTlsDialer::refused>(*this)) {}

void NbdTlsDialer::dial(base::Duration limit) {
    cancel();
    const auto attempt = std::make_shared<Attempt>();
    attempt->uri = uri_;
    attempt->block_status = block_status_;
    attempt->end = worker_.now() + limit;
    try {
        thread_.start([attempt](const std::atomic<bool> &wanted) { negotiate(*attempt, wanted); },
                      [this, attempt] { ended(*attempt); });
    } catch (const base::Error &error) {
        why_ = error.what();
        worker_.post(refusal_); // from the loop, as always
    }
}

void NbdTlsDialer::cancel() noexcept {
    thread_.abandon();
    refusal_.withdraw();
}

void NbdTlsDialer::negotiate(Attempt &attempt, const std::atomic<bool> &wanted) {
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
        if (!wanted || base::Clock::now() > attempt.end) {
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
    if (!attempt.error.empty()) {
        on_failed_(fmt::format("{}: {}", uri_.server(), attempt.error));
        return;
    }
    if (!uri_.is_unix())
        NbdDialer::set_tcp_options(nbd_aio_get_fd(attempt.handle), idle_limit_);
    on_negotiated_(std::exchange(attempt.handle, nullptr));
}

void NbdTlsDialer::refused() noexcept { on_failed_(fmt::format("{}: {}", uri_.server(), why_)); }

} // namespace backend
