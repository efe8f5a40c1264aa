// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace nbd {

/// What the server shows its clients, and whom of them it believes. Never changed once loaded: new
/// credentials are a new object, and connections keep theirs. Any worker.
class TlsCredentials {
public:
    /// Either a directory or a file.
    struct Source {
        /// Of ca-cert.pem, server-cert.pem, server-key.pem and, if it is there, ca-crl.pem.
        std::string certificates{};
        bool verify_peer = true; ///< clients need a certificate of that CA
        std::string psk{};       ///< lines USER:HEXKEY
    };

    /// Throws base::Error.
    static std::shared_ptr<const TlsCredentials> load(const Source &source);

    TlsCredentials(const TlsCredentials &) = delete;
    TlsCredentials &operator=(const TlsCredentials &) = delete;
    ~TlsCredentials();

    [[nodiscard]] ssl_ctx_st *context() const noexcept { return context_; }

private:
    TlsCredentials();
    void load_certificates(const Source &source);
    void load_keys(const std::string &file);
    static unsigned find_key(ssl_st *connection, const char *user, unsigned char *key, unsigned room);

    ssl_ctx_st *context_;
    std::map<std::string, std::vector<unsigned char>, std::less<>> keys_;
};

} // namespace nbd
