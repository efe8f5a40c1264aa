// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"
#include "backend/iscsi_uri.hpp"
#include "base/keys.hpp"

namespace backend {

/// Everything but the session's number; reads the files that the keys name. Throws base::Error, without
/// secrets.
IscsiLogin make_iscsi_login(const IscsiUri &uri, const base::KeyValues &values);

/// The name of this machine as an initiator: that of /etc/iscsi/initiatorname.iscsi, else one that is made
/// from the machine's identity, always the same.
std::string default_initiator_name();
/// The name in a file of the form of /etc/iscsi/initiatorname.iscsi; empty: there is none.
std::string initiator_name_of(std::string_view text);
/// Throws base::Error when it is no name for an initiator.
void check_initiator_name(std::string_view name);

} // namespace backend
