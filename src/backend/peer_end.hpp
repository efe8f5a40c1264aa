// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace backend {

/// Whether a TCP connection was ended by the other side, as opposed to given up by this host: nothing that
/// was sent will be read there any more. False when that cannot be told.
bool ended_by_peer(int socket) noexcept;

} // namespace backend
