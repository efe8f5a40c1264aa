// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/tls_stream.hpp"

#include "base/error.hpp"
#include "nbd/tls_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <utility>

namespace nbd {

namespace {

constexpr std::size_t record_size = 16384;
// As much is encrypted before it is sent: one system call for several records.
constexpr std::size_t most_at_once = 16 * record_size;
// Less where there is little to send: the peer decrypts the beginning while we encrypt the end.
constexpr std::size_t least_at_once = 2 * record_size;
constexpr std::size_t room_for_records = most_at_once + most_at_once / 16;

/// One thread encrypts for one connection at a time.
std::vector<std::byte> &shared_sink() {
    thread_local std::vector<std::byte> sink = [] {
        std::vector<std::byte> made;
        made.reserve(room_for_records);
        return made;
    }();
    return sink;
}

/// Sends from the front; what is sent is gone. False when the connection is lost.
bool send_front(int fd, std::vector<std::byte> &bytes, std::size_t &sent) noexcept {
    while (sent < bytes.size()) {
        const ssize_t now = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            return errno == EAGAIN;
        sent += static_cast<std::size_t>(now);
    }
    return true;
}

void add_name(std::vector<std::string> &names, const ASN1_STRING *text) {
    unsigned char *utf8 = nullptr;
    const int length = ::ASN1_STRING_to_UTF8(&utf8, text);
    if (length < 0)
        return;
    names.emplace_back(reinterpret_cast<const char *>(utf8), static_cast<std::size_t>(length));
    ::CRYPTO_free(utf8, __FILE__, __LINE__);
}

std::string subject_of(X509 *certificate) {
    BIO *memory = ::BIO_new(::BIO_s_mem());
    ::X509_NAME_print_ex(memory, ::X509_get_subject_name(certificate), 0,
                         XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    std::string text(512, '\0');
    const int length = ::BIO_read(memory, text.data(), static_cast<int>(text.size()));
    ::BIO_free(memory);
    text.resize(static_cast<std::size_t>(std::max(length, 0)));
    return text;
}

void add_alternative_names(std::vector<std::string> &names, X509 *certificate) {
    auto *all =
        static_cast<GENERAL_NAMES *>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
        int kind = 0;
        const void *value = ::GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &kind);
        if (kind == GEN_DNS || kind == GEN_EMAIL || kind == GEN_URI)
            add_name(names, static_cast<const ASN1_STRING *>(value));
    }
    ::GENERAL_NAMES_free(all);
}

} // namespace

/// What OpenSSL sees of the socket: it reads from it, and writes into the stream's sink, which has room.
struct TlsStream::Transport {
    static int write(BIO *bio, const char *data, int length) noexcept {
        auto &self = *static_cast<TlsStream *>(::BIO_get_data(bio));
        const auto *bytes = reinterpret_cast<const std::byte *>(data);
        self.sink_->insert(self.sink_->end(), bytes, bytes + length);
        return length;
    }
    static int read(BIO *bio, char *data, int length) noexcept {
        const auto &self = *static_cast<TlsStream *>(::BIO_get_data(bio));
        ::BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
        ssize_t got = 0;
        do
            got = ::recv(self.fd_, data, static_cast<std::size_t>(length), MSG_DONTWAIT);
        while (got < 0 && errno == EINTR);
        if (got < 0 && errno == EAGAIN)
            ::BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
        if (got == 0)
            ::BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return static_cast<int>(got);
    }
    static long control(BIO *bio, int command, long, void *) noexcept {
        if (command == BIO_CTRL_EOF)
            return ::BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }
    /// Made once, never freed: it lives as long as the process.
    static BIO_METHOD *method() {
        static BIO_METHOD *const made = [] {
            BIO_METHOD *fresh = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nbd socket");
            ::BIO_meth_set_write(fresh, &write);
            ::BIO_meth_set_read(fresh, &read);
            ::BIO_meth_set_ctrl(fresh, &control);
            return fresh;
        }();
        return made;
    }
};

TlsStream::TlsStream(std::shared_ptr<const TlsCredentials> credentials, int fd)
    : credentials_(std::move(credentials))
    , fd_(fd)
    , connection_(::SSL_new(credentials_->context())) {
    BIO *bio = ::BIO_new(Transport::method());
    if (connection_ == nullptr || bio == nullptr)
        throw base::Error(ENOMEM, "TLS: {}", take_tls_error());
    ::BIO_set_data(bio, this);
    ::BIO_set_init(bio, 1);
    ::SSL_set_bio(connection_, bio, bio);
    ::SSL_set_accept_state(connection_);
    ::SSL_set_ex_data(connection_, 0, &user_);
}

TlsStream::~TlsStream() { ::SSL_free(connection_); }

TlsStream::Step TlsStream::handshake() noexcept {
    ::ERR_clear_error();
    const int result = ::SSL_do_handshake(connection_);
    const int reason = result == 1 ? SSL_ERROR_NONE : ::SSL_get_error(connection_, result);
    if (reason != SSL_ERROR_NONE && reason != SSL_ERROR_WANT_READ) {
        error_ = ::ERR_peek_error() == 0 ? "the client hung up" : take_tls_error();
        flush(); // the alert that tells why
        return Step::failed;
    }
    if (!flush()) {
        error_ = "connection lost";
        return Step::failed;
    }
    if (!unsent_.empty())
        return Step::want_write;
    return result == 1 ? Step::done : Step::want_read;
}

// False when the connection is lost.
bool TlsStream::flush() noexcept {
    std::size_t sent = 0;
    broken_ = broken_ || !send_front(fd_, unsent_, sent);
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent));
    return !broken_;
}

ssize_t TlsStream::receive(std::span<const iovec> pieces) noexcept {
    ssize_t total = 0;
    for (const iovec &piece : pieces) {
        for (std::size_t at = 0; at < piece.iov_len;) {
            ::ERR_clear_error();
            std::size_t got = 0;
            const int result = ::SSL_read_ex(connection_, static_cast<std::byte *>(piece.iov_base) + at,
                                             piece.iov_len - at, &got);
            if (result == 1) {
                at += got;
                total += static_cast<ssize_t>(got);
                continue;
            }
            const int reason = ::SSL_get_error(connection_, result);
            flush(); // what the protocol answers by itself
            if (total > 0)
                return total; // whatever it was is there the next time, too
            if (reason == SSL_ERROR_ZERO_RETURN)
                return 0;
            errno = reason == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
            return -1;
        }
    }
    return total;
}

ssize_t TlsStream::send(std::span<const iovec> pieces) noexcept {
    if (!flush() || !unsent_.empty()) {
        errno = broken_ ? EPIPE : EAGAIN;
        return -1;
    }
    if (withheld_ > 0)
        return static_cast<ssize_t>(std::exchange(withheld_, 0));
    std::vector<std::byte> &sink = shared_sink();
    sink.clear();
    sink_ = &sink;
    std::size_t sent = 0;
    const ssize_t taken = write_some(pieces, sent);
    sink_ = &unsent_;
    if (taken < 0 || !send_front(fd_, sink, sent)) {
        broken_ = true;
        errno = EPIPE;
        return -1;
    }
    if (sent == sink.size())
        return taken;
    // The socket is full. Nothing is reported, so that the caller waits until it is not.
    unsent_.assign(sink.begin() + static_cast<std::ptrdiff_t>(sent), sink.end());
    withheld_ = static_cast<std::size_t>(taken);
    errno = EAGAIN;
    return -1;
}

// Encrypts what there is room for, and begins to send it. Small pieces are put together: a record each would
// cost more than the copy.
ssize_t TlsStream::write_some(std::span<const iovec> pieces, std::size_t &sent) noexcept {
    std::array<std::byte, record_size> record;
    std::size_t filled = 0;
    std::size_t total = 0;
    std::size_t asked = 0;
    for (const iovec &piece : pieces)
        asked += piece.iov_len;
    const std::size_t enough = std::clamp(asked / 4, least_at_once, most_at_once);
    const auto write = [this, enough, &total, &sent](const std::byte *bytes, std::size_t length) {
        std::size_t written = 0;
        ::ERR_clear_error();
        const bool done = ::SSL_write_ex(connection_, bytes, length, &written) == 1;
        total += written;
        return done && (sink_->size() - sent < enough || send_front(fd_, *sink_, sent));
    };
    for (const iovec &piece : pieces) {
        const auto *bytes = static_cast<const std::byte *>(piece.iov_base);
        for (std::size_t at = 0; at < piece.iov_len;) {
            if (total + filled >= most_at_once)
                break;
            const std::size_t left = piece.iov_len - at;
            const bool whole = filled == 0 && left >= record_size;
            const std::size_t length = std::min(left, record_size - filled);
            if (!whole)
                std::copy_n(bytes + at, length, record.data() + filled);
            filled += whole ? 0 : length;
            if (whole && !write(bytes + at, record_size))
                return -1;
            if (filled == record_size && !write(record.data(), std::exchange(filled, 0)))
                return -1;
            at += length;
        }
    }
    if (filled > 0 && !write(record.data(), filled))
        return -1;
    return static_cast<ssize_t>(total);
}

bool TlsStream::has_input() const noexcept { return ::SSL_has_pending(connection_) == 1; }

void TlsStream::finish_sending() noexcept {
    ::ERR_clear_error();
    if (!broken_ && ::SSL_shutdown(connection_) >= 0)
        flush();
}

std::vector<std::string> TlsStream::identities() const {
    std::vector<std::string> names;
    if (!user_.empty())
        names.push_back(user_);
    X509 *certificate = ::SSL_get0_peer_certificate(connection_);
    if (certificate == nullptr)
        return names;
    names.push_back(subject_of(certificate));
    const X509_NAME *subject = ::X509_get_subject_name(certificate);
    const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0)
        add_name(names, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)));
    add_alternative_names(names, certificate);
    return names;
}

} // namespace nbd
