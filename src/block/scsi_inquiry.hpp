// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/scsi_port.hpp"

#include <string>
#include <vector>

namespace block {

// What a unit is asked, and how its answers read: pure.

[[nodiscard]] ScsiOrder inquiry_order();
[[nodiscard]] ScsiOrder vital_page_order(std::uint8_t page);
[[nodiscard]] ScsiOrder report_luns_order();
[[nodiscard]] ScsiOrder test_unit_ready_order();

/// Lines `key: value`, of as much as came.
[[nodiscard]] std::vector<std::string> inquiry_lines(const std::vector<std::byte> &answer);
[[nodiscard]] std::vector<std::string> serial_lines(const std::vector<std::byte> &page);     ///< 80h
[[nodiscard]] std::vector<std::string> designator_lines(const std::vector<std::byte> &page); ///< 83h
[[nodiscard]] std::vector<std::string> lun_lines(const std::vector<std::byte> &answer);

} // namespace block
