// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/tls_stream.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <openssl/ssl.h>
#include <span>
#include <string>
#include <unistd.h>

/// The client's side of TLS with a shared key, blocking, for the far end of a session's socket.
class TlsClient {
public:
    TlsClient()
        : context_(::SSL_CTX_new(::TLS_client_method())) {
        ::SSL_CTX_set_psk_client_callback(context_, tell_key);
    }
    ~TlsClient() { ::SSL_CTX_free(context_); }
    TlsClient(const TlsClient &) = delete;
    TlsClient &operator=(const TlsClient &) = delete;

    /// What the server has to load to know this client.
    static std::shared_ptr<const nbd::TlsCredentials> credentials() {
        const auto file =
            std::filesystem::temp_directory_path() / ("nbdmpath-fuzz-psk." + std::to_string(::getpid()));
        std::ofstream(file) << "fuzz:" << std::string(2 * sizeof key, '5') << "\n";
        auto loaded = nbd::TlsCredentials::load({.psk = file.string()});
        std::filesystem::remove(file);
        return loaded;
    }

    /// Both ends' handshake, in turn. Both sockets do not block. Aborts when it fails.
    SSL *shake_hands(int socket, nbd::TlsStream &server) {
        SSL *client = ::SSL_new(context_);
        ::SSL_set_fd(client, socket);
        ::SSL_set_connect_state(client);
        for (int turn = 0; turn < 100; ++turn) {
            const bool client_done = ::SSL_do_handshake(client) == 1;
            const nbd::TlsStream::Step step = server.handshake();
            if (step == nbd::TlsStream::Step::failed)
                break;
            if (client_done && step == nbd::TlsStream::Step::done)
                return client;
        }
        std::abort();
    }

private:
    static constexpr unsigned char key[16] = {0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
                                              0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55};
    static unsigned tell_key(SSL *, const char *, char *user, unsigned user_room, unsigned char *to,
                             unsigned room) {
        if (user_room < sizeof "fuzz" || room < sizeof key)
            return 0;
        std::memcpy(user, "fuzz", sizeof "fuzz");
        std::copy(std::begin(key), std::end(key), to);
        return sizeof key;
    }

    SSL_CTX *context_;
};
