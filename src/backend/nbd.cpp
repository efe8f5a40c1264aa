// SPDX-License-Identifier: BSD-3-Clause
// Paths to NBD servers, as the configuration knows them.
#include "backend/backend_list.hpp"
#include "backend/nbd_backend.hpp"

#include "base/error.hpp"

#include <filesystem>

namespace backend {

namespace {

void check_uri(std::string_view uri) { parse_nbd_uri(uri); }

std::string cache_identity(std::string_view text, const base::KeyValues &) {
    const NbdUri uri = parse_nbd_uri(text);
    if (!uri.is_unix())
        return "nbd " + uri.server();
    std::error_code unknown; // a socket that does not exist yet is known by its name
    const std::filesystem::path path = std::filesystem::weakly_canonical(uri.socket, unknown);
    return "nbd unix:" + (unknown ? uri.socket : path.string());
}

void check_values(const base::KeyValues &values) {
    const auto most = values.get<std::uint64_t>("max_requests");
    if (most < 1 || most > 1024)
        throw base::Error(EINVAL, "max_requests: {} is not from 1 to 1024", most);
}

bool can_fence(const base::KeyValues &values) { return !NbdBackend::fence_command(values).empty(); }

std::unique_ptr<Backend> create(io::Worker &worker, const Settings &settings) {
    return std::make_unique<NbdBackend>(worker, settings);
}

constexpr std::string_view schemes[] = {"nbd", "nbd+unix", "nbds", "nbds+unix"};

constexpr base::Key keys[] = {
    {"io_timeout", base::KeyKind::duration, "30s",
     "A request older than this fails, and the connection is dropped."},
    {"stall_timeout", base::KeyKind::duration, "4s",
     "A connection with requests on which nothing comes for this long, not even the answer to a question of "
     "our "
     "own after a quarter of it, is dropped. 0: never."},
    {"idle_check", base::KeyKind::duration, "10s",
     "A connection on which nothing was said for so long is asked for the first block; when that is not "
     "answered within stall_timeout, it is dropped. 0: never."},
    {"trust_peer_close", base::KeyKind::boolean, "true",
     "When the server closes the connection, what it did not answer will not be carried out any more. Say "
     "false "
     "when a proxy stands between."},
    {"fence_command", base::KeyKind::text, "",
     "A shell command that cuts the server off, for the map's ambiguous_writes: fence. It is run when writes "
     "were "
     "sent and the connection is lost, with the path's name and the server's address in NBDMPATH_PATH and "
     "NBDMPATH_ADDRESS; when it ends with status 0 nothing that was sent can be carried out any more."},
    {"connect_timeout", base::KeyKind::duration, "5s",
     "Time for finding, connecting to and negotiating with the server."},
    {"reconnect_delay", base::KeyKind::duration, "1s",
     "Longest pause between two tries to connect; the first is 50 ms, then it doubles."},
    {"max_requests", base::KeyKind::number, "64",
     "Requests on the wire at a time (1 to 1024); others wait in order."},
    {"block_status", base::KeyKind::boolean, "false",
     "Ask the server which parts are allocated, for clients that ask us; reads then cost a little more."},
};

} // namespace

const Type nbd{.name = "nbd",
               .schemes = schemes,
               .summary = "a remote NBD server, over TCP or a unix socket",
               .keys = keys,
               .check_uri = check_uri,
               .cache_identity = cache_identity,
               .check_values = check_values,
               .create = create,
               .can_fence = can_fence};

} // namespace backend
