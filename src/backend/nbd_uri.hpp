// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace backend {

/// An NBD URI taken apart and percent-decoded: `nbd://host[:port]/export` or
/// `nbd+unix:///export?socket=/path`; `nbds` and `nbds+unix` with what TLS needs.
struct NbdUri {
    /// Either a directory of certificates or a file of shared keys.
    struct Tls {
        std::string certificates;
        std::string psk_file;
        std::string user; ///< whose shared key it is; empty: as whom we run
        bool verify_peer = true;
    };

    std::string host; ///< name or numeric address without brackets; empty for a unix socket
    std::string port; ///< decimal; 10809 when the URI names none
    std::string socket;
    std::string export_name;  ///< empty: the server's default export
    std::optional<Tls> tls{}; ///< none: plain

    [[nodiscard]] bool is_unix() const noexcept { return host.empty(); }
    /// "host:port", "[::1]:port" or "unix:/path".
    [[nodiscard]] std::string server() const;
};

/// Throws base::Error(EINVAL).
NbdUri parse_nbd_uri(std::string_view uri);

} // namespace backend
