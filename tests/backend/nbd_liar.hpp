// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace nbd_test {

/// A server that does to each connection what a script says, in a thread of its own: one connection at a
/// time.
class Liar {
public:
    /// A connection in the script's hands. Reads and writes fail silently once the peer is gone.
    class Peer {
    public:
        explicit Peer(int fd, const std::atomic<bool> &ending)
            : fd_(fd)
            , ending_(ending) {}
        bool receive(void *to, std::size_t length) {
            auto *at = static_cast<char *>(to);
            while (length > 0) {
                pollfd ready{fd_, POLLIN, 0};
                if (ending_)
                    return false;
                if (::poll(&ready, 1, 20) == 0)
                    continue;
                const ssize_t got = ::recv(fd_, at, length, 0);
                if (got <= 0)
                    return false;
                at += got;
                length -= static_cast<std::size_t>(got);
            }
            return true;
        }
        void send(const std::string &bytes) {
            static_cast<void>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        }
        /// Waits until the peer ends the connection.
        void wait_for_end() {
            char byte = 0;
            while (receive(&byte, 1)) {
            }
        }

    private:
        int fd_;
        const std::atomic<bool> &ending_;
    };
    using Script = std::function<void(Peer &)>;

    Liar(const std::string &socket, Script script)
        : script_(std::move(script)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        static_cast<void>(::bind(listener_, reinterpret_cast<sockaddr *>(&address), sizeof address));
        ::listen(listener_, 5);
        thread_ = std::thread([this] { serve(); });
    }
    ~Liar() {
        ending_ = true;
        thread_.join();
        ::close(listener_);
    }
    std::atomic<int> connections{0};

private:
    void serve() {
        while (!ending_) {
            pollfd ready{listener_, POLLIN, 0};
            if (::poll(&ready, 1, 20) != 1)
                continue;
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            ++connections;
            Peer peer(fd, ending_);
            script_(peer);
            ::close(fd);
        }
    }
    Script script_;
    int listener_ = -1;
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

inline std::string big_endian(std::uint64_t value, int bytes) {
    std::string result;
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        result += static_cast<char>(value >> shift & 0xff);
    return result;
}

inline std::string greeting() { return "NBDMAGICIHAVEOPT" + big_endian(3, 2); }

/// Reads one option; its number, or 0.
inline std::uint32_t read_option(Liar::Peer &peer) {
    unsigned char header[16];
    if (!peer.receive(header, sizeof header))
        return 0;
    const auto word = [&header](int at) {
        return std::uint32_t{header[at]} << 24 | std::uint32_t{header[at + 1]} << 16 |
               std::uint32_t{header[at + 2]} << 8 | header[at + 3];
    };
    std::string rest(word(12), '\0');
    return peer.receive(rest.data(), rest.size()) ? word(8) : 0;
}

inline std::string option_reply(std::uint32_t option, std::uint32_t type, const std::string &payload) {
    return big_endian(0x3e889045565a9, 8) + big_endian(option, 4) + big_endian(type, 4) +
           big_endian(payload.size(), 4) + payload;
}

/// Greeting, client flags, and the first option; returns its number.
inline std::uint32_t open_negotiation(Liar::Peer &peer) {
    peer.send(greeting());
    std::uint32_t flags = 0;
    return peer.receive(&flags, sizeof flags) ? read_option(peer) : 0;
}

/// A whole negotiation that ends well, with an export of `size` bytes.
inline void negotiate(Liar::Peer &peer, std::uint64_t size = 1 << 20) {
    const std::uint32_t option = open_negotiation(peer);
    peer.send(option_reply(option, 3, big_endian(0, 2) + big_endian(size, 8) + big_endian(1, 2)));
    peer.send(option_reply(option, 1, ""));
}

/// The cookie of the next request, as it came.
inline std::string read_request(Liar::Peer &peer) {
    std::string header(28, '\0');
    return peer.receive(header.data(), header.size()) ? header.substr(8, 8) : std::string(8, '\0');
}

inline std::string simple_reply(const std::string &cookie, std::uint32_t error = 0) {
    return big_endian(0x67446698, 4) + big_endian(error, 4) + cookie;
}

} // namespace nbd_test
