// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace nbd {

/// Options of an accepted connection, before anything is sent on it. Failures do not matter.
void prepare_accepted(int fd) noexcept;

} // namespace nbd
