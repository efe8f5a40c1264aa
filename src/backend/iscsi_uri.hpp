// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

namespace backend {

/// `iscsi://[user[%secret]@]host[:port]/target/lun[?target_user=NAME&target_password=SECRET]` taken apart.
struct IscsiUri {
    std::string host; ///< name or numeric address without brackets
    std::string port; ///< decimal; 3260 when the URI names none
    std::string target;
    int lun = 0;
    std::string user; ///< as whom we log in; empty: without CHAP
    std::string secret;
    std::string target_user; ///< as whom the target must answer (mutual CHAP); empty: it need not
    std::string target_secret;

    /// "host:port" or "[::1]:port".
    [[nodiscard]] std::string portal() const;
};

/// Throws base::Error(EINVAL), whose text has no secret.
IscsiUri parse_iscsi_uri(std::string_view uri);
/// The same of `iscsi://[user[%secret]@]host[:port][?target_user=NAME&target_password=SECRET]`, without a
/// target.
IscsiUri parse_iscsi_portal(std::string_view uri);
/// `address[:port]`, where the address is numeric, an IPv6 one in brackets. Returns it with the port. Throws
/// base::Error(EINVAL).
std::string parse_numeric_portal(std::string_view text);
/// Of `host[:port]` only.
IscsiUri parse_iscsi_address(std::string_view text);

} // namespace backend
