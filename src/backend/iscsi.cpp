// SPDX-License-Identifier: BSD-3-Clause
// Paths to units of iSCSI targets, as the configuration knows them.
#include "backend/backend_list.hpp"
#include "backend/iscsi_backend.hpp"
#include "backend/iscsi_login.hpp"

#include "base/error.hpp"

namespace backend {

namespace {

void check_uri(std::string_view uri) { parse_iscsi_uri(uri); }

/// Every portal of a target leads to the same unit, and a unit has one cache.
std::string cache_identity(std::string_view text, const base::KeyValues &) {
    const IscsiUri uri = parse_iscsi_uri(text);
    return fmt::format("iscsi {} {}", uri.target, uri.lun);
}

void check_values(const base::KeyValues &values) {
    const auto most = values.get<std::uint64_t>("max_requests");
    if (most < 1 || most > 256)
        throw base::Error(EINVAL, "max_requests: {} is not from 1 to 256", most);
    const auto &digest = values.get<std::string>("header_digest");
    if (digest != "none" && digest != "crc32c")
        throw base::Error(EINVAL, "header_digest: '{}' is not one of none, crc32c", digest);
    try {
        if (values.has("fence_portal"))
            (void)parse_numeric_portal(values.get<std::string>("fence_portal"));
    } catch (const base::Error &error) {
        throw base::Error(EINVAL, "fence_portal: {}", error.what());
    }
    if (values.has("initiator_name"))
        check_initiator_name(values.get<std::string>("initiator_name"));
}

std::unique_ptr<Backend> create(io::Worker &worker, const Settings &settings) {
    return std::make_unique<IscsiBackend>(worker, settings);
}

constexpr std::string_view schemes[] = {"iscsi"};

constexpr base::Key keys[] = {
    {"io_timeout", base::KeyKind::duration, "30s",
     "A request older than this fails, and the session is dropped."},
    {"stall_timeout", base::KeyKind::duration, "4s",
     "A session with requests on which nothing comes for this long, not even the answer to a ping of our own "
     "after a quarter of it, is dropped. 0: never."},
    {"idle_check", base::KeyKind::duration, "10s",
     "A unit of which nothing was asked for so long is asked whether it is there; when that is not answered "
     "within "
     "stall_timeout, it is dropped. 0: never."},
    {"connect_timeout", base::KeyKind::duration, "5s",
     "Time for finding the target, logging in and asking what the unit is."},
    {"reconnect_delay", base::KeyKind::duration, "1s",
     "Longest pause between two tries to log in; the first is 50 ms, then it doubles."},
    {"max_requests", base::KeyKind::number, "64",
     "Requests on the wire at a time (1 to 256); others wait in order."},
    {"trust_peer_close", base::KeyKind::boolean, "true",
     "When the target closes the connection, it does not read on: what it had read has ended when the unit "
     "was "
     "reset afterwards or nobody listens at the portal any more. Say false when a proxy stands between."},
    {"fence_command", base::KeyKind::text, "",
     "A shell command that cuts the target off, beside what the path does by itself. It is run when writes "
     "were "
     "sent and the session is lost, with the path's name and the portal in NBDMPATH_PATH and "
     "NBDMPATH_ADDRESS; "
     "when it ends with status 0 nothing that was sent can be carried out any more."},
    {"fence_portal", base::KeyKind::text, "",
     "Another portal (address[:port]) of the same portal group of the target. When the path's own cannot be "
     "reached, a login there ends what was under way to it. The first connect finds out whether it does."},
    {"secret_file", base::KeyKind::text, "",
     "A file whose first line is the CHAP secret of the user in the URI; it is read at each login."},
    {"mutual_secret_file", base::KeyKind::text, "",
     "A file whose first line is the secret with which the target must prove that it is the URI's "
     "target_user."},
    {"header_digest", base::KeyKind::text, "none",
     "crc32c: headers have a checksum, and the target must agree to it; none: they have none."},
    {"initiator_name", base::KeyKind::text, "",
     "The name this path logs in with, instead of that of the section iscsi."},
};

} // namespace

const Type iscsi{.name = "iscsi",
                 .schemes = schemes,
                 .summary = "a unit of an iSCSI target",
                 .keys = keys,
                 .check_uri = check_uri,
                 .cache_identity = cache_identity,
                 .check_values = check_values,
                 .create = create,
                 .is_scsi = true};

} // namespace backend
