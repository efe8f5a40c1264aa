// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address_range.hpp"
#include "base/keys.hpp"
#include "base/log.hpp"
#include "config/problem.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace config {

/// Whether clients may or must use TLS.
enum class Tls { off, allow, require };

/// What TLS is done with: either certificates or shared keys; neither: there is none.
struct TlsFiles {
    Where where;
    std::string certificates; ///< a directory
    bool verify_peer = true;
    std::string psk;

    [[nodiscard]] bool any() const noexcept { return !certificates.empty() || !psk.empty(); }
};

/// A socket to listen on.
struct Listener {
    enum class Kind { unix_socket, tcp, vsock };

    Where where;
    Kind kind = Kind::tcp;
    std::string unix_path;              ///< "@name": an abstract one, which has no file
    unsigned mode = 0;                  ///< of the unix socket's file
    std::optional<std::uint32_t> owner; ///< of the file, as a number; nothing: as it comes
    std::optional<std::uint32_t> group;
    std::string address;              ///< IPv4 or IPv6 in numbers, without brackets; empty: every address
    std::optional<std::uint32_t> cid; ///< of vsock; nothing: whichever this machine has
    std::uint32_t port = 0;
    Tls tls = Tls::off;

    [[nodiscard]] bool is_unix() const noexcept { return kind == Kind::unix_socket; }
    /// As the user writes it: "/run/x.sock", "127.0.0.1:10809", "[::1]:10809", ":10809"; "vsock:10809".
    [[nodiscard]] std::string text() const;
};

struct Limits {
    std::size_t connections = 1024;
    std::size_t requests_per_connection = 128;
    std::size_t buffer_memory_bytes = std::size_t{512} << 20;
    std::chrono::milliseconds handshake_timeout{10'000};
};

struct Path {
    Where where; ///< of its name
    std::string name;
    std::string uri; ///< empty: it was wrong (only a table check can see this, parse() throws in the end)
    base::KeyValues values;          ///< the keys of its type, checked, defaults filled in
    std::vector<std::string> inject; ///< rules of fault injection, checked
};

enum class Cache { shared, independent };
enum class Reinstate { automatic, manual };
enum class Eio { path, verify };
enum class AmbiguousWrites { fence, hold, retry, fail };
enum class Access { shared, exclusive, read_only };

/// Bytes by which the disk is known (design D6).
struct FingerprintRange {
    std::uint64_t offset = 0; ///< it and the length: multiples of 512
    std::uint64_t length = 0;
    std::string sha256; ///< lower-case hexadecimal; empty: as the first path has it
};

struct Map {
    Where where;       ///< of its name
    Where table_where; ///< of `table:`'s text, or of the name
    std::string name;
    /// What follows `multipath` in a dm table; the same from both forms, the keys beside it merged in.
    std::string table;
    std::string description;
    bool read_only = false;
    bool listed = true;
    Access access = Access::shared;
    std::size_t max_clients = 0;           ///< 0: no bound
    std::vector<base::AddressRange> allow; ///< empty: everybody
    bool tls_only = false;
    std::vector<std::string> tls_identities;      ///< empty: everybody
    std::chrono::milliseconds no_path_timeout{0}; ///< 0: never
    std::optional<std::uint64_t> size_bytes;      ///< a multiple of 512
    std::vector<FingerprintRange> fingerprint;
    Where wwid_where;
    std::string wwid; ///< "naa.…", "eui.…", "t10.…": what SCSI paths must say they are; empty: anything
    Where reservation_key_where;
    std::uint64_t reservation_key = 0; ///< SCSI persistent reservations; 0: none
    bool reservation_survives_power_loss = false;
    std::optional<Cache> cache; ///< nothing: decided by the paths (design D4)
    Reinstate reinstate = Reinstate::automatic;
    Eio eio = Eio::path;
    std::optional<AmbiguousWrites>
        ambiguous_writes; ///< nothing: fence where a path can, else hold (design D3)
    std::chrono::milliseconds ambiguous_hold{5000};
    std::uint64_t unflushed_limit_bytes = std::uint64_t{64} << 20;
    std::chrono::milliseconds fence_timeout{10'000};
    bool kernel_compat = false;

    /// `compat: kernel`, and what it makes the default (design, section 3).
    void set_kernel_defaults() {
        kernel_compat = true;
        cache = Cache::shared;
        reinstate = Reinstate::manual;
        ambiguous_writes = AmbiguousWrites::retry;
    }
};

/// A checked configuration. Plain values: nothing was created and nothing connected to.
struct Config {
    std::string file;
    std::size_t threads = 0; ///< 0: auto
    std::chrono::milliseconds shutdown_timeout{10'000};
    base::log::Level log_level = base::log::Level::info;
    std::vector<Listener> listen;
    std::vector<Listener> admin;
    TlsFiles tls;
    Limits limits;
    std::string
        initiator_name;      ///< with which iSCSI paths log in that say no other; empty: this machine's own
    std::vector<Path> paths; ///< in the file's order, names unique
    std::vector<Map> maps;   ///< in the file's order, names unique
    std::string default_export;        ///< a map's name; the only map's if not said; else empty
    std::vector<std::string> warnings; ///< `FILE:LINE:COL: warning: text`, as they stand in the file
};

} // namespace config
