// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace block {

/// "GOOD", "CHECK CONDITION", …
[[nodiscard]] std::string_view scsi_status_name(int status) noexcept;
/// "NOT READY", "UNIT ATTENTION", …
[[nodiscard]] std::string_view sense_key_name(unsigned key) noexcept;
/// How a command ended that did not succeed, in a few words: "RESERVATION CONFLICT",
/// "ILLEGAL REQUEST (5/24/00)", "the path is down".
[[nodiscard]] std::string scsi_end_text(const ScsiResult &result);
/// Lower-case digits, two a byte.
[[nodiscard]] std::string hexadecimal(std::span<const std::byte> bytes);
/// Printable ASCII, anything else as a blank; none at the ends.
[[nodiscard]] std::string printable(std::span<const std::byte> bytes);

/// The lines `key: value` of an answer: status, sense, data.
[[nodiscard]] std::vector<std::string> scsi_reply_lines(const ScsiReply &reply);

} // namespace block
