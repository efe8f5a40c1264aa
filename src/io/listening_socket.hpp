// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "io/socket.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace io {

/// What becomes of a unix socket's file.
struct FileRights {
    mode_t mode = 0600;
    std::optional<uid_t> owner{}; ///< nothing: ours
    std::optional<gid_t> group{};
};

/// A listening socket, and for a unix one the file it stands for. Opening throws base::Error.
struct ListeningSocket {
    Socket socket;
    /// For people: the path, "@name", "127.0.0.1:10809" with the port that was really taken, "vsock:2:10809".
    std::string name;
    std::string path{}; ///< of the file that is ours; empty: none
    dev_t device = 0;
    ino_t inode = 0;

    /// Takes over a socket file nobody listens on. "@name" is an abstract socket, which has no file.
    static ListeningSocket open_unix(const std::string &path, const FileRights &rights = {});
    /// One socket for each address of `host`; empty: all addresses, v6 and v4. Port 0: any.
    static std::vector<ListeningSocket> open_tcp(const std::string &host, std::uint16_t port);
    /// Nothing as `cid`: whichever this machine has.
    static ListeningSocket open_vsock(std::optional<std::uint32_t> cid, std::uint32_t port);
    /// A socket somebody else made listen, as systemd: also its file is theirs.
    static ListeningSocket adopt(Socket socket);

    /// Removes the file if it is still the one we made.
    void unlink_if_ours() noexcept;
};

} // namespace io
