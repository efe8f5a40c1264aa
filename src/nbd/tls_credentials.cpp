// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/tls_credentials.hpp"

#include "base/error.hpp"
#include "nbd/tls_error.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <openssl/ssl.h>
#include <string_view>

namespace nbd {

namespace {

// What a session takes at once when writes are large, 64 KiB and a bit, encrypted: one system call.
constexpr std::size_t read_buffer = std::size_t{80} << 10;
constexpr std::size_t shortest_key = 8;
constexpr std::size_t longest_key = 256;
constexpr std::size_t longest_user = 128;

[[noreturn]] void fail(const std::string &file) {
    throw base::Error(EINVAL, "cannot load {}: {}", file, take_tls_error());
}

int digit(char c) noexcept {
    if (c >= '0' && c <= '9')
        return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Empty when it is no key.
std::vector<unsigned char> parse_key(std::string_view hex) {
    std::vector<unsigned char> key;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const int high = digit(hex[i]);
        const int low = digit(hex[i + 1]);
        if (high < 0 || low < 0)
            return {};
        key.push_back(static_cast<unsigned char>(high * 16 + low));
    }
    if (hex.size() % 2 != 0 || key.size() < shortest_key || key.size() > longest_key)
        return {};
    return key;
}

} // namespace

TlsCredentials::TlsCredentials()
    : context_(::SSL_CTX_new(::TLS_server_method())) {
    if (context_ == nullptr)
        throw base::Error(ENOMEM, "TLS: {}", take_tls_error());
    ::SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    // A peer that closes without goodbye is no attack here: NBD has its own framing.
    ::SSL_CTX_set_options(context_, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
                                        SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    ::SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
    // Clients come seldom and stay long: no session is worth to be kept.
    ::SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_num_tickets(context_, 0);
    ::SSL_CTX_set_read_ahead(context_, 1);
    ::SSL_CTX_set_default_read_buffer_len(context_, read_buffer);
    ::SSL_CTX_set_ex_data(context_, 0, this);
}

TlsCredentials::~TlsCredentials() { ::SSL_CTX_free(context_); }

std::shared_ptr<const TlsCredentials> TlsCredentials::load(const Source &source) {
    const std::shared_ptr<TlsCredentials> made(new TlsCredentials); // its constructor is private
    if (source.psk.empty())
        made->load_certificates(source);
    else
        made->load_keys(source.psk);
    return made;
}

void TlsCredentials::load_certificates(const Source &source) {
    const auto file = [&source](const char *name) { return source.certificates + "/" + name; };
    const std::string certificate = file("server-cert.pem");
    const std::string key = file("server-key.pem");
    if (::SSL_CTX_use_certificate_chain_file(context_, certificate.c_str()) != 1)
        fail(certificate);
    if (::SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        ::SSL_CTX_check_private_key(context_) != 1)
        fail(key);
    if (!source.verify_peer)
        return;
    const std::string authority = file("ca-cert.pem");
    if (::SSL_CTX_load_verify_file(context_, authority.c_str()) != 1)
        fail(authority);
    ::SSL_CTX_set_client_CA_list(context_, ::SSL_load_client_CA_file(authority.c_str()));
    const std::string revoked = file("ca-crl.pem");
    if (std::filesystem::exists(revoked)) {
        X509_STORE *store = ::SSL_CTX_get_cert_store(context_);
        if (::X509_STORE_load_file(store, revoked.c_str()) != 1)
            fail(revoked);
        ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    ::SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

void TlsCredentials::load_keys(const std::string &file) {
    std::ifstream stream(file);
    if (!stream)
        throw base::Error(errno, "cannot load {}: {}", file, base::errno_text(errno));
    int number = 0;
    for (std::string line; std::getline(stream, line);) {
        ++number;
        if (line.empty() || line.front() == '#')
            continue;
        const std::size_t colon = std::min(line.find(':'), line.size());
        const std::string user = line.substr(0, colon);
        std::vector<unsigned char> key =
            parse_key(std::string_view(line).substr(std::min(colon + 1, line.size())));
        // Not the line itself: it may well be a key.
        if (user.empty() || user.size() > longest_user || key.empty())
            throw base::Error(EINVAL,
                              "cannot load {}: line {} is not USER:KEY with {} to {} bytes in hexadecimal",
                              file, number, shortest_key, longest_key);
        keys_[user] = std::move(key);
    }
    if (keys_.empty())
        throw base::Error(EINVAL, "cannot load {}: there is no key in it", file);
    // For TLS 1.2; in TLS 1.3 the key is no matter of the cipher.
    if (::SSL_CTX_set_cipher_list(context_, "ECDHEPSK:DHEPSK:PSK:@SECLEVEL=1") != 1)
        throw base::Error(EINVAL, "TLS: {}", take_tls_error());
    ::SSL_CTX_set_psk_server_callback(context_, &TlsCredentials::find_key);
}

unsigned TlsCredentials::find_key(ssl_st *connection, const char *user, unsigned char *key, unsigned room) {
    const auto *self =
        static_cast<const TlsCredentials *>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(connection), 0));
    const auto found = self->keys_.find(std::string_view(user == nullptr ? "" : user));
    if (found == self->keys_.end() || found->second.size() > room)
        return 0;
    std::ranges::copy(found->second, key);
    // Set by the stream: whoever has the key is this user.
    *static_cast<std::string *>(::SSL_get_ex_data(connection, 0)) = found->first;
    return static_cast<unsigned>(found->second.size());
}

} // namespace nbd
